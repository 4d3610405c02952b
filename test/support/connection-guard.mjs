// Loaded into a process by NODE_OPTIONS: each connection it makes is a line in the file TEST_CONNECTIONS names. A name that is
// looked up is a line too.
import dns from "node:dns";
import { appendFileSync } from "node:fs";
import net from "node:net";
import dgram from "node:dgram";

const file = process.env["TEST_CONNECTIONS"] ?? "";
/** @param {string} line */
const note = (line) => appendFileSync(file, `${line}\n`);

const prototype = net.Socket.prototype;
// eslint-disable-next-line typescript/unbound-method -- it is called on its socket below
const connect = prototype.connect;
prototype.connect = /** @type {typeof connect} */ (
  function (/** @type {unknown[]} */ ...args) {
    const [first] = args;
    const options = /** @type {{ path?: string, host?: string, port?: number }} */ (
      Array.isArray(first) ? first[0] : typeof first === "object" ? first : { port: first, host: args[1] }
    );
    note(options.path === undefined ? `tcp ${options.host ?? "localhost"}:${options.port}` : `unix ${options.path}`);
    // @ts-expect-error its overloads are one function
    return connect.apply(this, args);
  }
);

const { createSocket } = dgram;
dgram.createSocket = /** @type {typeof createSocket} */ (
  (/** @type {unknown[]} */ ...args) => {
    note("udp");
    // @ts-expect-error its overloads are one function
    return createSocket(...args);
  }
);

const { lookup } = dns;
dns.lookup = /** @type {typeof lookup} */ (
  Object.assign((/** @type {unknown[]} */ ...args) => {
    if (net.isIP(String(args[0])) === 0) note(`name ${String(args[0])}`);
    // @ts-expect-error its overloads are one function
    return lookup(...args);
  }, lookup)
);
