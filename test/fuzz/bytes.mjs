/** Mutations of bytes, whatever they mean. */

const INTERESTING = [0, 1, 0x7f, 0x80, 0xff, 0x0a, 0x22, 0x5c, 0x7b];

/** A copy of `bytes` with one to four changes: flips, inserts, cuts, repeats. */
export function mutateBytes(bytes, random) {
  let changed = Uint8Array.from(bytes);
  for (let count = random.integer(1, 4); count > 0; count--) changed = once(changed, random);
  return changed;
}

function once(bytes, random) {
  const at = random.below(bytes.length + 1);
  const length = Math.min(bytes.length - at, random.pick([1, 2, 4, 8, 64, 1024]));
  switch (random.below(6)) {
    case 0: {
      const flipped = Uint8Array.from(bytes);
      if (at < bytes.length) flipped[at] ^= 1 << random.below(8);
      return flipped;
    }
    case 1: {
      const set = Uint8Array.from(bytes);
      set.fill(random.pick(INTERESTING), at, at + length);
      return set;
    }
    case 2:
      return joined(
        bytes.subarray(0, at),
        Uint8Array.from({ length }, () => random.below(256)),
        bytes.subarray(at),
      );
    case 3:
      return joined(bytes.subarray(0, at), bytes.subarray(at + length));
    case 4:
      return joined(bytes.subarray(0, at + length), bytes.subarray(at));
    default:
      return bytes.subarray(0, at);
  }
}

function joined(...parts) {
  return Uint8Array.from(Buffer.concat(parts));
}
