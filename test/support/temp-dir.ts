import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** A folder for one test; removed when the test ends. */
export async function tempDir(t: Pick<TestContext, 'after'>): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'ddm-test-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}
