/**
 * Markdown of an answer to clean HTML, block by block, so that a growing text renders only its last block anew.
 * Raw HTML in the text is shown as text; what marked makes is cleaned by DOMPurify all the same.
 */
import DOMPurify from "dompurify";
import { Marked, type Tokens, type TokensList } from "marked";

export interface Block {
  raw: string;
  html: string;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }: Tokens.HTML | Tokens.Tag) => escape(text),
    // A picture from elsewhere would tell its host who reads what; its address is a link instead.
    image: ({ href, text }: Tokens.Image) =>
      `<a href="${escape(href)}">Picture: ${escape(text === "" ? href : text)}</a>`,
    checkbox: ({ checked }: Tokens.Checkbox) => (checked ? "☑ " : "☐ "),
    code: ({ text, lang }: Tokens.Code) =>
      `<div class="code"><div class="code-bar"><span>${escape((lang ?? "").split(/\s/)[0] ?? "")}</span>` +
      '<button type="button" data-act="wrap" aria-pressed="false">Wrap</button>' +
      '<button type="button" data-act="copy">Copy</button></div>' +
      `<pre tabindex="0"><code>${escape(text)}</code></pre></div>`,
    table(token: Tokens.Table) {
      const cell = (value: Tokens.TableCell): string => {
        const tag = value.header ? "th" : "td";
        const align = value.align === null ? "" : ` align="${value.align}"`;
        return `<${tag}${align}>${this.parser.parseInline(value.tokens)}</${tag}>`;
      };
      const head = `<tr>${token.header.map(cell).join("")}</tr>`;
      const body = token.rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("");
      return `<div class="table" role="region" aria-label="Table" tabindex="0"><table><thead>${head}</thead><tbody>${body}</tbody></table></div>`;
    },
  },
});

const clean = {
  ALLOWED_TAGS: [
    ..."p br hr h1 h2 h3 h4 h5 h6 ul ol li blockquote strong em del code pre a div span button".split(" "),
    ..."table thead tbody tr th td".split(" "),
  ],
  ALLOWED_ATTR: "href title class start align type role tabindex dir target rel aria-label aria-pressed data-act".split(
    " ",
  ),
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
};

const directed = /^(?:P|H[1-6]|TH|TD)$/;
const rightToLeft = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC]/;
let hooked = false;

function addHooks(): void {
  if (hooked) return;
  hooked = true;
  DOMPurify.addHook("afterSanitizeAttributes", (node) => {
    if (node.nodeName === "A") {
      node.setAttribute("target", "_blank");
      node.setAttribute("rel", "noopener noreferrer");
    } else if (/^(?:UL|OL|BLOCKQUOTE)$/.test(node.nodeName)) {
      // "auto" looks past children that have a direction of their own, which these have.
      const letter = /\p{L}/u.exec(node.textContent ?? "")?.[0] ?? "";
      node.setAttribute("dir", rightToLeft.test(letter) ? "rtl" : "ltr");
    } else if (directed.test(node.nodeName)) node.setAttribute("dir", "auto");
  });
}

/** Blocks of a text; those equal to the ones before, in the same place, are kept. */
export function renderBlocks(text: string, before: readonly Block[]): Block[] {
  addHooks();
  const tokens = marked.lexer(text);
  const links = tokens.links;
  return tokens
    .filter((token) => token.type !== "space")
    .map((token, index) => {
      const held = before[index];
      if (held?.raw === token.raw) return held;
      const one: TokensList = Object.assign([token], { links });
      return { raw: token.raw, html: DOMPurify.sanitize(marked.parser(one), clean) };
    });
}
