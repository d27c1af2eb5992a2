import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { eventMedium, memoMedium } from '../../../src/evidence/index.ts'
import type { RecordedDigest } from '../../../src/interface/index.ts'
import { fromHex, sha256, toHex } from '../../../src/statements/index.ts'
import { memoryEventLedger, memoryMemoLedger, NO_STORE } from './records-ledger.ts'

// DDM_WRITE_VECTORS=1 node --test test/unit/evidence/records-vectors.test.ts writes the file anew.
const FILE = new URL('../../../docs/specs/vectors/records.json', import.meta.url)
const COUNTS = [1, 2, 3, 7, 8, 1000]

/** All vectors of docs/specs/records.md, made by this implementation. */
async function makeVectors() {
  const batches = await Promise.all(
    COUNTS.map(async (count) => {
      const [memos, events] = [memoryMemoLedger(), memoryEventLedger()]
      const digests = Array.from({ length: count }, (_, i) => sha256(new TextEncoder().encode(`ddm ${i}`)))
      const records = await memoMedium({ ledger: memos, store: NO_STORE }).record(digests)
      await eventMedium({ ledger: events, store: NO_STORE }).record(digests)
      const shown = [...new Set([0, 1, Math.floor(count / 2), count - 1])].filter((index) => index < count)
      return {
        count,
        root: events.written[0]?.events[0]?.root ?? '0x',
        memo: toHex(memos.written[0]?.memos[1] ?? new Uint8Array(0)),
        digests: shown.map((index) => {
          const { digest, proof } = records[index] as RecordedDigest
          return { index, digest: toHex(digest), ...(proof === undefined ? {} : { proof: proof.map(toHex) }) }
        })
      }
    })
  )
  return { spec: 'docs/specs/records.md', digests: 'sha2-256 of the ASCII text "ddm INDEX"', batches }
}

if (process.env.DDM_WRITE_VECTORS === '1') {
  await writeFile(FILE, `${JSON.stringify(await makeVectors(), null, 2)}\n`)
}
const vectors: Awaited<ReturnType<typeof makeVectors>> = JSON.parse(await readFile(FILE, 'utf8'))

test('the committed vectors are those that this implementation makes', async () => {
  assert.deepEqual(vectors, JSON.parse(JSON.stringify(await makeVectors())))
})

test('roots and memos are those of the formulas in the specification', () => {
  const hash = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest()
  const tree = (leaves: Uint8Array[]): Buffer => {
    if (leaves.length === 1) return hash(Uint8Array.of(0), leaves[0] as Uint8Array)
    const split = 2 ** Math.ceil(Math.log2(leaves.length) - 1)
    return hash(Uint8Array.of(1), tree(leaves.slice(0, split)), tree(leaves.slice(split)))
  }
  for (const { count, root, memo } of vectors.batches) {
    const leaves = Array.from({ length: count }, (_, i) => createHash('sha256').update(`ddm ${i}`).digest())
    assert.deepEqual(Buffer.from(fromHex(root)), count === 1 ? leaves[0] : tree(leaves))
    const length = count.toString(16).padStart(8, '0')
    assert.equal(memo, `0x44444d31${count === 1 ? '00' : '01'}${root.slice(2)}${length}`)
  }
})
