const NEWLINE = 0x0a
const RETURN = 0x0d
const SPACE = 0x20

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * A record as one line. JSON goes out as it is; text that is not JSON as a JSON string; other bytes as
 * `{"base64":"…"}`, so that a stranger's record can never be taken for two lines.
 */
export function toJsonLine(record: Uint8Array): Uint8Array {
  const json = asJson(record)
  const line = new Uint8Array(json.byteLength + 1)
  line.set(json)
  // Outside strings these are white space, and inside they cannot be.
  for (let index = 0; index < json.byteLength; index++) {
    if (line[index] === NEWLINE || line[index] === RETURN) line[index] = SPACE
  }
  line[json.byteLength] = NEWLINE
  return line
}

/** A record as JSON, in the same bytes when it is JSON. */
export function asJson(record: Uint8Array): Uint8Array {
  let text: string
  try {
    text = utf8.decode(record)
  } catch {
    return Buffer.from(JSON.stringify({ base64: Buffer.from(record).toString('base64') }))
  }
  try {
    JSON.parse(text)
    return record
  } catch {
    return Buffer.from(JSON.stringify(text))
  }
}

/** Many records as one write. */
export function toJsonLines(records: ReadonlyArray<{ bytes: Uint8Array }>): Uint8Array {
  return Buffer.concat(records.map(({ bytes }) => toJsonLine(bytes)))
}
