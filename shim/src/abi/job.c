/* The job as TypeScript opens it, with the handlers of what ranks send each other on its control channel. */
#include "ep/tx.h"
#include "names/control_connection.h"

static const lf_word_handler handlers[LF_WORDS] = {
    [LF_WORD_PUT] = lf_lease_shard_word,      [LF_WORD_GET] = lf_lease_shard_word,
    [LF_WORD_WATCH] = lf_lease_shard_word,    [LF_WORD_DELETE] = lf_lease_shard_word,
    [LF_WORD_ASK] = lf_lease_word,            [LF_WORD_ENTRIES] = lf_lease_word,
    [LF_WORD_CONNECTION] = lf_connection_word, [LF_WORD_DISCONNECT] = lf_connection_word,
    [LF_WORD_CREDIT] = lf_ep_tx_word,
};

int32_t lf_job_open(void) { return lf_job_begin(handlers); }
