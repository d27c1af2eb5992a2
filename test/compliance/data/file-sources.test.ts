import { appendFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { MAX_RECORD_BYTES } from '../../../src/interface/index.ts'
import { recordsOf } from '../../support/connectors.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { dataSourceCompliance, type SourceWorld } from './data-source.ts'

const linesOf = (from: number, to: number): string =>
  recordsOf(from, to)
    .map((line) => `${line}\n`)
    .join('')

const oversizedLine = `"${'x'.repeat(MAX_RECORD_BYTES)}"\n`

async function startTail(t: TestContext): Promise<SourceWorld> {
  const file = join(await tempDir(t), 'air.log')
  await writeFile(file, '')
  return {
    spec: `tail:${file}`,
    send: (from, to) => appendFile(file, linesOf(from, to)),
    oversized: () => appendFile(file, oversizedLine),
    malformed: () => appendFile(file, '{"n":\n')
  }
}

dataSourceCompliance('tail', {
  able: ['oversized', 'malformed'],
  start: startTail,
  resumes: true,
  refused: async (t) => [
    { spec: `tail:${join(await tempDir(t), 'none')}`, code: 'notFound', message: /there is no such file/ }
  ]
})

dataSourceCompliance('tail, renamed all the time', {
  able: [],
  resumes: true,
  start: async (t) => {
    const file = join(await tempDir(t), 'air.log')
    await writeFile(file, '')
    let renamed = 0
    return {
      spec: `tail:${file}`,
      send: async (from, to) => {
        const middle = Math.floor((from + to) / 2)
        await appendFile(file, linesOf(from, middle))
        await rename(file, `${file}.${renamed++}`)
        await appendFile(file, linesOf(middle, to))
        // Files of one moment have no order.
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
  }
})

async function startExec(t: TestContext): Promise<SourceWorld> {
  const file = join(await tempDir(t), 'air.log')
  await writeFile(file, '')
  return {
    spec: `exec:tail -n +1 -f ${file}`,
    send: (from, to) => appendFile(file, linesOf(from, to)),
    oversized: () => appendFile(file, oversizedLine),
    malformed: () => appendFile(file, '{"n":\n')
  }
}

dataSourceCompliance('exec', {
  able: ['oversized', 'malformed'],
  start: startExec,
  refused: async () => [
    { spec: 'exec:no-such-command-anywhere --password secret', code: 'config', message: /no-such-command-anywhere/ },
    { spec: 'exec:echo broken >&2; exit 3', code: 'config', message: /ended with 3: broken/ }
  ]
})
