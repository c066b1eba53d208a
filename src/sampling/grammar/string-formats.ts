/** Values of `format` that are written out. Each is a part of what the format allows, chosen so that every text of it is valid. */

const DATE =
  "\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))";
const TIME = "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-](?:0\\d|1[0-4]):[0-5]\\d)";
const BYTE = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const LABEL = "[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?";
const HOST = `${LABEL}(?:\\.${LABEL}){0,4}\\.[a-z]{2,12}`;

/** Regular expressions by format, to be matched whole. */
export const STRING_FORMATS: Readonly<Record<string, string>> = {
  date: DATE,
  time: TIME,
  "date-time": `${DATE}T${TIME}`,
  uuid: "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
  ipv4: `${BYTE}(?:\\.${BYTE}){3}`,
  hostname: HOST,
  email: `[a-z0-9_+-]{1,32}(?:\\.[a-z0-9_+-]{1,32}){0,3}@${HOST}`,
  uri: `https?://${HOST}(?:/[A-Za-z0-9._~-]{1,64}){0,8}/?`,
};
