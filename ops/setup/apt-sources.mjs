/**
 * @typedef {{ uris: string[], suites: string[], components: string[], signedBy: string | undefined }} AptSource
 *   signedBy: the path of a keyring file; undefined when the machine's trusted keyrings hold the key
 */

/**
 * Reads a deb822 file (`*.sources`). Disabled and source-only stanzas are left out.
 * @param {string} text
 * @returns {AptSource[]}
 */
export function parseDeb822(text) {
  return text
    .split(/\n\s*\n/)
    .map(fieldsOf)
    .filter((fields) => fields.get("enabled")?.toLowerCase() !== "no" && words(fields.get("types")).includes("deb"))
    .map((fields) => ({
      uris: words(fields.get("uris")),
      suites: words(fields.get("suites")),
      components: words(fields.get("components")),
      signedBy: keyringPath(fields.get("signed-by")),
    }));
}

/**
 * Reads a one-line file (`*.list`): deb [signed-by=… arch=…] uri suite component…
 * @param {string} text
 * @returns {AptSource[]}
 */
export function parseOneLine(text) {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (match === null) return [];
    const [, options = "", uri = "", suite = "", components = ""] = match;
    return [
      {
        uris: [uri],
        suites: [suite],
        components: words(components),
        signedBy: keyringPath(/signed-by=(\S+)/.exec(options)?.[1]),
      },
    ];
  });
}

/**
 * The mirrors that carry the whole Debian archive, best first, without repeats: those also hold the suites the
 * machine does not use. Security and third-party archives hold only their own.
 * @param {AptSource[]} sources
 * @returns {{ uri: string, signedBy: string | undefined }[]}
 */
export function debianMirrors(sources) {
  const mirrors = new Map();
  for (const source of sources) {
    if (!source.components.includes("main")) continue;
    if (source.suites.every((suite) => /security|backports|\//.test(suite))) continue;
    for (const uri of source.uris) {
      if (looksLikeDebian(uri)) mirrors.set(uri.replace(/\/$/, ""), { uri, signedBy: source.signedBy });
    }
  }
  return [...mirrors.values()];
}

/** @param {string} uri */
function looksLikeDebian(uri) {
  // Debian's cloud images name their mirrors in a file: mirror+file:/etc/apt/mirrors/debian.list
  return /\/debian\/?$|^mirror\+file:.*\/debian\.list$/.test(uri) && !/raspberrypi|security/.test(uri);
}

/** @param {string} stanza */
function fieldsOf(stanza) {
  /** @type {Map<string, string>} */
  const fields = new Map();
  let name = "";
  for (const line of stanza.split("\n")) {
    if (line.startsWith("#")) continue;
    const match = /^([A-Za-z][\w-]*):\s*(.*)$/.exec(line);
    if (match !== null) {
      name = (match[1] ?? "").toLowerCase();
      fields.set(name, match[2] ?? "");
    } else if (name !== "" && /^\s/.test(line)) {
      fields.set(name, `${fields.get(name)} ${line.trim()}`);
    }
  }
  return fields;
}

/** @param {string | undefined} value */
function keyringPath(value) {
  // Signed-By may also hold fingerprints or a whole key; the system's keyrings then decide.
  return value !== undefined && /^\/\S+$/.test(value.trim()) ? value.trim() : undefined;
}

/** @param {string | undefined} text */
function words(text) {
  return (text ?? "").split(/\s+/).filter((word) => word !== "");
}
