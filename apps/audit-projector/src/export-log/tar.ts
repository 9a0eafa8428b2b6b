/** POSIX ustar (IEEE Std 1003.1, pax): what every `tar` reads. The size of a file stands before it. */
const BLOCK = 512;

/** @throws RangeError on a name or size that the format cannot hold */
export const tarHeader = (name: string, size: number, modifiedMs: number): Buffer => {
  if (Buffer.byteLength(name) > 100 || !Number.isSafeInteger(size) || size < 0 || size >= 8 ** 11) throw new RangeError('a name of at most 100 bytes and a size below 8 GiB');
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  header.write(name, 0);
  header.write(octal(0o644, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(size, 11), 124);
  header.write(octal(Math.floor(modifiedMs / 1_000), 11), 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\0' + '00', 257);
  header.write(`${octal(header.reduce((sum, byte) => sum + byte, 0), 6)} `, 148);
  return header;
};

/** What fills a file's last block. */
export const tarPadding = (size: number): Buffer => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);

/** An archive's end. */
export const tarEnd = (): Buffer => Buffer.alloc(2 * BLOCK);
