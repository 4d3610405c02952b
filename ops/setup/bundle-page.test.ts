import assert from "node:assert/strict";
import { test } from "node:test";
import { withHashedNames } from "./bundle-page.mjs";

test("index.html gets the hashed names in the place of the sources", () => {
  const html = '<link rel="stylesheet" href="/styles.css"><script type="module" src="./main.tsx"></script>';
  assert.equal(
    withHashedNames(html, ["app.AB12.js", "app.CD34.css"]),
    '<link rel="stylesheet" href="/app.CD34.css"><script type="module" src="./app.AB12.js"></script>',
  );
});

test("a page without a place for its script is refused: it would load nothing", () => {
  assert.throws(() => withHashedNames("<p>nothing</p>", ["app.AB12.js"]), /no place for app\.AB12\.js/);
});
