import { CID } from 'multiformats/cid'
import type { AbortOptions, ListingDocument } from '../interface/index.ts'
import { decodeDocument, encodeDocument, MAX_DOCUMENT_BYTES } from '../registry/index.ts'
import type { Blocks } from './network.ts'

const TIMEOUT_MS = 10_000

/** A listing document as it was published: evidence holds these bytes. */
export async function documentBytes(
  blocks: Pick<Blocks, 'get'>,
  cid: string,
  { signal }: AbortOptions = {}
): Promise<Uint8Array> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  const until = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
  return blocks.get(CID.parse(cid), { signal: until, maxBytes: MAX_DOCUMENT_BYTES })
}

export async function readDocument(
  blocks: Pick<Blocks, 'get'>,
  cid: string,
  options?: AbortOptions
): Promise<ListingDocument> {
  return decodeDocument(await documentBytes(blocks, cid, options))
}

/** Keeps the document of what is bought: its seller may be gone when somebody wants the evidence. */
export async function keepDocument(
  blocks: Pick<Blocks, 'put'>,
  document: ListingDocument,
  options?: AbortOptions
): Promise<void> {
  const { cid, bytes } = encodeDocument(document)
  await blocks.put(cid, bytes, options)
}
