import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runOrFail, SetupError } from "./run.mjs";

/** The release the tests run against; a newer one is taken by putting it on PATH. */
const RELEASE = "2.15.1";
const RELEASES = "https://github.com/nats-io/nats-server/releases/download";

/** Two minutes: the archive has 7 MB. */
const DOWNLOAD_TIMEOUT_MS = 120_000;
/** Several times the archive's size: a wrong answer must not fill the memory. */
const MAX_ARCHIVE_BYTES = 64 * 1024 * 1024;

/**
 * The archive's name for Node's platform and arch names, or undefined where no release exists.
 * @param {string} platform
 * @param {string} arch
 * @returns {string | undefined}
 */
export function releaseArchiveName(platform, arch) {
  const cpu = { x64: "amd64", arm64: "arm64", arm: "arm7" }[arch];
  const system = { linux: "linux", darwin: "darwin" }[platform];
  return cpu === undefined || system === undefined ? undefined : `nats-server-v${RELEASE}-${system}-${cpu}.tar.gz`;
}

/**
 * True when a checksum file in the form of sha256sum lists `name` with the hash of `bytes`.
 * @param {string} checksums
 * @param {string} name
 * @param {Uint8Array} bytes
 */
export function checksumMatches(checksums, name, bytes) {
  const hash = createHash("sha256").update(bytes).digest("hex");
  return checksums.split("\n").some((line) => {
    const [listedHash, listedName] = line.trim().split(/\s+\*?/);
    return listedName === name && listedHash?.toLowerCase() === hash;
  });
}

/**
 * Downloads, checks and unpacks the official release.
 * @param {string} workFolder
 * @param {{ releases?: string }} [options] releases: the address of the release folder, another one in tests
 * @returns {Promise<string>} the path of the unpacked binary
 */
export async function fetchReleaseArchive(workFolder, { releases = RELEASES } = {}) {
  const name = releaseArchiveName(process.platform, process.arch);
  if (name === undefined) throw new SetupError(`no release for ${process.platform} on ${process.arch}`);
  const checksums = new TextDecoder().decode(await download(`${releases}/v${RELEASE}/SHA256SUMS`));
  const archive = await download(`${releases}/v${RELEASE}/${name}`);
  if (!checksumMatches(checksums, name, archive)) throw new SetupError(`${name} does not match its checksum`);
  const file = join(workFolder, name);
  writeFileSync(file, archive);
  await runOrFail("tar", ["-xzf", file, "-C", workFolder]);
  return join(workFolder, name.replace(/\.tar\.gz$/, ""), "nats-server");
}

/**
 * @param {string} address
 * @returns {Promise<Uint8Array>}
 */
async function download(address) {
  const response = await fetch(address, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) }).catch((error) => {
    throw new SetupError(`${new URL(address).host} cannot be reached (${error.cause?.code ?? error.name})`);
  });
  if (!response.ok || response.body === null) throw new SetupError(`${address} answered ${response.status}`);
  const parts = [];
  let size = 0;
  for await (const part of response.body) {
    size += part.byteLength;
    if (size > MAX_ARCHIVE_BYTES) throw new SetupError(`${address} is larger than expected`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
