/**
 * Stands in for `tweetnacl` in our bundles: the same ed25519 by node:crypto. Signing in plain JavaScript made a start 0.5 s
 * longer; here it is some 40 ms. Only what `@nats-io/nkeys` uses for seeds, signatures and checks; no curve keys.
 */
import { createPrivateKey, createPublicKey, randomBytes, sign, verify } from "node:crypto";

/** DER frames of a raw ed25519 key (RFC 8410): PKCS#8 before a seed, SPKI before a public key. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** @param {Uint8Array} seed 32 bytes, or a 64-byte secret key that begins with them */
function privateKeyOf(seed) {
  const key = Buffer.concat([PKCS8_PREFIX, seed.subarray(0, 32)]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

/** @param {Uint8Array} seed 32 bytes */
function fromSeed(seed) {
  const der = createPublicKey(privateKeyOf(seed)).export({ format: "der", type: "spki" });
  const publicKey = new Uint8Array(der.subarray(-32));
  const secretKey = new Uint8Array(64);
  secretKey.set(seed);
  secretKey.set(publicKey, 32);
  return { publicKey, secretKey };
}

/**
 * @param {Uint8Array} message
 * @param {Uint8Array} secretKey
 */
function detached(message, secretKey) {
  return new Uint8Array(sign(null, message, privateKeyOf(secretKey)));
}

/**
 * @param {Uint8Array} message
 * @param {Uint8Array} signature
 * @param {Uint8Array} publicKey
 */
detached.verify = (message, signature, publicKey) => {
  const key = Buffer.concat([SPKI_PREFIX, publicKey]);
  return verify(null, message, createPublicKey({ key, format: "der", type: "spki" }), signature);
};

// The package has a default export only.
export default {
  /** @param {number} length */
  randomBytes: (length) => new Uint8Array(randomBytes(length)),
  sign: { detached, keyPair: { fromSeed } },
};
