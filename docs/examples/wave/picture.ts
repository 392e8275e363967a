/** Heights of water as a picture, and a picture as a PNG. */
import { crc32, deflateSync } from "node:zlib";

/** From troughs to crests; calm water is in the middle. Red, green and blue. */
const COLOURS: readonly [number, number, number][] = [
  [1, 4, 18],
  [4, 26, 62],
  [11, 68, 104],
  [78, 192, 200],
  [255, 250, 236],
];
const WALL: [number, number, number] = [196, 178, 148];
const SHADES = 1024;

/** COLOURS, interpolated: SHADES times three bytes. */
const shades = Uint8Array.from({ length: 3 * SHADES }, (_, at) => {
  const position = (Math.floor(at / 3) / (SHADES - 1)) * (COLOURS.length - 1);
  const below = Math.min(COLOURS.length - 2, Math.floor(position));
  const [from, to] = [COLOURS[below]![at % 3]!, COLOURS[below + 1]![at % 3]!];
  return Math.round(from + (to - from) * (position - below));
});

/**
 * Red, green, blue and opaque, for a square of heights: light falls from the upper left, and a steep slope glints. Where
 * there is no height (NaN), there is a wall.
 */
export function render(heights: Float32Array, side: number): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(4 * side * side);
  const steepness = side / 12;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const at = y * side + x;
      const height = heights[at]!;
      pixels[4 * at + 3] = 255;
      if (Number.isNaN(height)) {
        pixels.set(WALL, 4 * at);
        continue;
      }
      const right = (x + 1 < side ? heights[at + 1] : height) || height;
      const lower = (y + 1 < side ? heights[at + side] : height) || height;
      const slope = steepness * (height - right + (height - lower));
      const shade = Math.floor((0.5 + 0.5 * Math.tanh(3.2 * height)) * (SHADES - 1));
      const light = 1 - 0.45 * Math.tanh(0.5 * slope);
      const glint = 150 * Math.max(0, Math.tanh(-0.32 * slope)) ** 3;
      for (let channel = 0; channel < 3; channel++) {
        pixels[4 * at + channel] = shades[3 * shade + channel]! * light + glint;
      }
    }
  }
  return pixels;
}

/** The chunk of a PNG: length, name, data, and the CRC of name and data (ISO/IEC 15948, 5.3). */
function chunk(name: string, content: Uint8Array): Buffer {
  const framed = Buffer.alloc(12 + content.length);
  framed.writeUInt32BE(content.length);
  framed.write(name, 4, "latin1");
  framed.set(content, 8);
  framed.writeUInt32BE(crc32(framed.subarray(4, 8 + content.length)), 8 + content.length);
  return framed;
}

/** A PNG of 8 bits a channel, from pixels of four bytes (ISO/IEC 15948). */
export function encodePng(pixels: Uint8ClampedArray, width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8); // 8 bits a channel, of red, green and blue
  const lines = Buffer.alloc(height * (1 + 3 * width));
  for (let y = 0; y < height; y++) {
    const start = y * (1 + 3 * width); // the filter of a line: none
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        lines[start + 1 + 3 * x + channel] = pixels[4 * (y * width + x) + channel]!;
      }
    }
  }
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(lines)),
    chunk("IEND", new Uint8Array(0)),
  ]);
}
