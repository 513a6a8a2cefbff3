/** Names that systemd escaped: systemd.unit(5), "String escaping". */

/**
 * `caf\xc3\xa9.service` is `café.service`. `-` is not made a slash, since most names with one are no paths. Bytes that are no UTF-8 stay escaped, so that
 * two names do not look the same for it.
 */
export function unescapeUnit(name: string): string {
  return name.replaceAll(/(?:\\x[0-9a-f]{2})+/g, (escaped) => {
    const text = Buffer.from(escaped.replaceAll('\\x', ''), 'hex').toString('utf8');
    return text.includes('\ufffd') ? escaped : text;
  });
}
