/** The site's configuration as it is deployed: the written one, opened and closed for where it goes. */

/**
 * `direct` is the one other origin that the page may ask, the function app that answers directly; `ranges` are the IPv4
 * ranges, with commas between, that may open the site at all (Standard plan).
 */
export function siteConfig(written, { direct = '', ranges = '' }) {
  if (direct && new URL(direct).origin !== direct) throw new Error(`DIRECT_ORIGIN=${direct} is no origin`);
  const open = "connect-src 'self'";
  if (!written.includes(open)) throw new Error(`staticwebapp.config.json has no ${open} to add DIRECT_ORIGIN to`);
  const config = JSON.parse(written.replace(open, `${open} ${direct}`.trimEnd()));
  const allowed = ranges
    .split(',')
    .map((range) => range.trim())
    .filter(Boolean);
  for (const range of allowed) {
    const [, address, bits] = /^(\d{1,3}(?:\.\d{1,3}){3})\/(\d{1,2})$/.exec(range) ?? [];
    if (!address || address.split('.').some((part) => Number(part) > 255) || Number(bits) > 32)
      throw new Error(`SITE_IP_RANGES: ${range} is no IPv4 range such as 203.0.113.0/24`);
  }
  // An empty list would lock everybody out. Source: Azure/static-web-apps#814
  return JSON.stringify(allowed.length ? { ...config, networking: { allowedIpRanges: allowed } } : config, null, 2);
}
