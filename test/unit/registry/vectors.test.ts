import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { CID } from 'multiformats/cid'
import { DdmError } from '../../../src/interface/index.ts'
import { decodeAnnouncement, encodeAnnouncement } from '../../../src/registry/announcement.ts'
import {
  cidToManifest,
  decodeDocument,
  encodeDocument,
  manifestToCid,
  postedPrice
} from '../../../src/registry/index.ts'
import { makeRegistryVectors, type RegistryVectors } from '../../support/registry-vectors.ts'

// DDM_WRITE_VECTORS=1 node --test test/unit/registry/vectors.test.ts writes the file anew.
const FILE = new URL('../../../docs/specs/vectors/registry.json', import.meta.url)

async function readVectors(): Promise<RegistryVectors> {
  if (process.env.DDM_WRITE_VECTORS === '1')
    await writeFile(FILE, `${JSON.stringify(makeRegistryVectors(), null, 2)}\n`)
  return JSON.parse(await readFile(FILE, 'utf8'))
}

const bytesOf = (text: string) => new TextEncoder().encode(text)
const hexToBytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))
const isRefused = (error: unknown) => error instanceof DdmError

test('the committed vectors are those that this implementation makes', async () => {
  assert.deepEqual(await readVectors(), JSON.parse(JSON.stringify(makeRegistryVectors())))
})

test('documents: to bytes and names, and back', async () => {
  const { documents, chainId } = await readVectors()
  assert.ok(documents.length >= 3)
  for (const { document, block, cid, manifest, posted } of documents) {
    const encoded = encodeDocument(document)
    assert.equal(new TextDecoder().decode(encoded.bytes), block)
    assert.equal(encoded.cid.toString(), cid)
    assert.equal(encoded.manifest, manifest)
    assert.deepEqual(decodeDocument(bytesOf(block)), document)
    assert.equal(cidToManifest(CID.parse(cid)), manifest)
    assert.equal(manifestToCid(manifest).toString(), cid)
    const price = postedPrice(document, chainId)
    assert.deepEqual({ ...price, unitPrice: price.unitPrice.toString() }, posted)
  }
})

test('announcements: to bytes and back', async () => {
  const { announcements } = await readVectors()
  for (const { listing, version, cid, transaction, account, document, bytes } of announcements) {
    const fields = {
      listingId: listing,
      version,
      cid: CID.parse(cid),
      transaction,
      account,
      ...(document !== undefined && { document: bytesOf(document) })
    }
    assert.equal(Buffer.from(encodeAnnouncement(fields)).toString('hex'), bytes)
    const decoded = decodeAnnouncement(hexToBytes(bytes))
    assert.equal(decoded.cid.toString(), cid)
    assert.deepEqual({ ...decoded, cid }, { ...fields, cid })
  }
})

test('what a reader must refuse', async () => {
  const { invalidDocuments, invalidAnnouncements } = await readVectors()
  for (const { name, block } of invalidDocuments) assert.throws(() => decodeDocument(bytesOf(block)), isRefused, name)
  for (const { name, bytes } of invalidAnnouncements) {
    assert.throws(() => decodeAnnouncement(hexToBytes(bytes)), isRefused, name)
  }
})
