/** Views whose memory is no longer there. */
export type ViewClass<T extends ArrayBufferView> = new (buffer: ArrayBuffer, byteOffset: number, length: number) => T;

/** One of each way in which an ArrayBuffer is lost to a view, with what happened to it. */
export function gone<T extends ArrayBufferView>(type: ViewClass<T>): [what: string, view: T][] {
  const after = (act: (buffer: ArrayBuffer) => unknown, offset: number, length: number): T => {
    const buffer = new ArrayBuffer(128, { maxByteLength: 256 });
    const view = new type(buffer, offset, length);
    act(buffer);
    return view;
  };
  return [
    ["detached", after((buffer) => buffer.transfer(), 0, 8)],
    ["detached, empty", after((buffer) => structuredClone(buffer, { transfer: [buffer] }), 16, 0)],
    ["shrunk", after((buffer) => buffer.resize(7), 0, 8)],
    ["shrunk to nothing", after((buffer) => buffer.resize(0), 0, 8)],
    ["shrunk before its offset", after((buffer) => buffer.resize(8), 64, 0)],
  ];
}
