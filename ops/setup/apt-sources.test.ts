import assert from "node:assert/strict";
import { test } from "node:test";
import { debianMirrors, parseDeb822, parseOneLine } from "./apt-sources.mjs";

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

const deb822 = `# written by the installer
Types: deb deb-src
# an old address
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: ${keyring}

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
`;

test("a deb822 file gives its enabled stanzas, comments left out", () => {
  const sources = parseDeb822(deb822);
  assert.deepEqual(
    sources.map(({ uris }) => uris),
    [["http://mirror.example/debian"], ["http://mirror.example/debian-security"]],
  );
  assert.deepEqual(sources[0]?.suites, ["bookworm", "bookworm-updates"]);
  assert.equal(sources[0]?.signedBy, keyring);
});

test("a key written into a deb822 file is no path", () => {
  const text = "Types: deb\nURIs: http://a/debian\nSuites: x\nComponents: main\nSigned-By:\n -----BEGIN\n .\n abc\n";
  assert.equal(parseDeb822(text)[0]?.signedBy, undefined);
});

test("a one-line file gives its deb lines with their options", () => {
  const sources = parseOneLine(
    `# deb http://old/debian x main\ndeb-src http://s/debian x main\n` +
      `deb [arch=amd64 signed-by=${keyring}] https://mirror.example/debian/ trixie main contrib # ours\n`,
  );
  assert.deepEqual(sources, [
    {
      uris: ["https://mirror.example/debian/"],
      suites: ["trixie"],
      components: ["main", "contrib"],
      signedBy: keyring,
    },
  ]);
});

test("only mirrors of the whole Debian archive are taken, each once", () => {
  const others = parseOneLine(
    [
      "deb http://mirror.example/debian/ bookworm main",
      "deb http://archive.raspberrypi.com/debian bookworm main",
      "deb https://pkgs.example/node nodistro main",
      "deb http://security.debian.org/debian-security bookworm-security main",
      "deb mirror+file:/etc/apt/mirrors/debian.list bookworm main",
    ].join("\n"),
  );
  assert.deepEqual(
    debianMirrors([...parseDeb822(deb822), ...others]).map(({ uri }) => uri.replace(/\/$/, "")),
    ["http://mirror.example/debian", "mirror+file:/etc/apt/mirrors/debian.list"],
  );
});
