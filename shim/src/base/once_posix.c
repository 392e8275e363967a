#include "base/once.h"

void lf_once_run(lf_once *once, void (*open)(void)) { pthread_once(once, open); }
