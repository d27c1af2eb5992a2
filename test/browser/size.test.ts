import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const BUILT = fileURLToPath(new URL('../../dist/web', import.meta.url))

const MAX_GZIPPED_BYTES = 120 * 1024

test('the page is small, and nothing in it needs another server or an inline script', async () => {
  const files = await readdir(BUILT, { recursive: true, withFileTypes: true })
  let bytes = 0
  for (const file of files.filter((entry) => entry.isFile())) {
    bytes += gzipSync(await readFile(join(file.parentPath, file.name))).length
  }
  assert.ok(bytes > 0, 'there is a page')
  assert.ok(bytes <= MAX_GZIPPED_BYTES, `${bytes} bytes gzipped, more than ${MAX_GZIPPED_BYTES}`)
  const html = await readFile(join(BUILT, 'index.html'), 'utf8')
  assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=|(src|href)="(https?:)?\/\//)
  assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)/)
})
