/** What every request must show before a route sees it. Pure over header values. */

const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"]);

function hostName(host: string): string {
  return host.replace(/:\d+$/, "").toLowerCase();
}

/** Only loopback names: another name that points here is a rebound one (DNS rebinding). */
export function hostAllowed(host: string | undefined): boolean {
  return host !== undefined && LOOPBACK.has(hostName(host));
}

/** A page of another origin must neither write nor open a socket; programs send no Origin. */
export function originAllowed(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true;
  return host !== undefined && origin === `http://${host}` && hostAllowed(host);
}
