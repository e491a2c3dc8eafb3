"use strict";
// EVM addresses with their checksum (EIP-55), as people read them; the API gives them as Circle does.

const LANE = (1n << 64n) - 1n;
const RATE = 136; // bytes a block of Keccak-256 takes: an address is one block
const shown = new Map();

function turned(lane, by) {
  const bits = BigInt(by % 64);
  return ((lane << bits) | (lane >> (64n - bits))) & LANE;
}

// Keccak-f[1600] in place; the lane of (x, y) stands at x + 5 y, and `feedback` yields the round constants.
function permute(lanes) {
  let feedback = 1;
  for (let round = 0; round < 24; round++) {
    const parity = [0, 1, 2, 3, 4].map((x) => [0, 5, 10, 15, 20].reduce((sum, row) => sum ^ lanes[x + row], 0n));
    for (let i = 0; i < 25; i++) lanes[i] ^= parity[(i + 4) % 5] ^ turned(parity[(i + 1) % 5], 1);
    for (let x = 1, y = 0, step = 0, moved = lanes[1]; step < 24; step++) {
      [x, y] = [y, (2 * x + 3 * y) % 5];
      [moved, lanes[x + 5 * y]] = [lanes[x + 5 * y], turned(moved, ((step + 1) * (step + 2)) / 2)];
    }
    for (let row = 0; row < 25; row += 5) {
      const old = lanes.slice(row, row + 5);
      for (let x = 0; x < 5; x++) lanes[row + x] = old[x] ^ (~old[(x + 1) % 5] & LANE & old[(x + 2) % 5]);
    }
    for (let power = 0; power < 7; power++) {
      feedback = ((feedback << 1) ^ ((feedback >> 7) * 0x71)) % 256;
      if (feedback & 2) lanes[0] ^= 1n << ((1n << BigInt(power)) - 1n);
    }
  }
}

// The first 20 bytes of the Keccak-256 of a short text, as 40 digits.
function hashDigits(text) {
  const block = new Uint8Array(RATE);
  block.set(new TextEncoder().encode(text));
  block[text.length] = 1;
  block[RATE - 1] |= 0x80;
  const lanes = new Array(25).fill(0n);
  block.forEach((byte, i) => { lanes[i >> 3] |= BigInt(byte) << BigInt(8 * (i % 8)); });
  permute(lanes);
  const byteAt = (i) => Number((lanes[i >> 3] >> BigInt(8 * (i % 8))) & 255n);
  return Array.from({ length: 20 }, (_, i) => byteAt(i).toString(16).padStart(2, "0")).join("");
}

function checksummed(address) {
  if (!/^0x[0-9a-fA-F]{40}$/.test(address || "")) return address;
  if (!shown.has(address)) {
    const digits = address.slice(2).toLowerCase(), signs = hashDigits(digits);
    if (shown.size > 1000) shown.clear();
    shown.set(address, "0x" + Array.from(digits, (digit, i) => signs[i] >= "8" ? digit.toUpperCase() : digit).join(""));
  }
  return shown.get(address);
}

