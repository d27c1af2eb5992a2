import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { jsonLinesSink } from '../../src/data/sinks/stream.ts'
import { exec } from '../../src/data/sources/exec.ts'
import { jsonLines } from '../../src/data/sources/json-lines.ts'
import { tail } from '../../src/data/sources/tail.ts'
import { type Connector, readAll, recordText, writeAll } from './case.ts'

/** What comes from, or goes to, another process; and a file that grows: the reference is the process and a line reader. */
export const processCases: Connector = async function* (closers, records) {
  const folder = await mkdtemp(join(tmpdir(), 'ddm-bench-processes-'))
  closers.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'in.jsonl')
  const lines = Array.from({ length: records }, (_, number) => `${recordText(number)}\n`)
  await writeFile(file, lines.join(''))
  const prepare = async (): Promise<void> => {}
  const readLines = async (child: ChildProcess): Promise<void> => {
    let count = 0
    for await (const line of createInterface({ input: child.stdout as Readable })) {
      JSON.parse(line)
      if (++count === records) break
    }
    child.kill()
  }
  const run = (command: string, ...arguments_: string[]): ChildProcess =>
    spawn(command, arguments_, { stdio: ['ignore', 'pipe', 'inherit'] })
  /** Whoever reads our stdout. */
  const reader = (): ChildProcess => spawn('cat', [], { stdio: ['pipe', 'ignore', 'inherit'] })

  yield {
    name: 'stdin source',
    prepare,
    ours: () =>
      readAll(
        jsonLines('stdin', () => run('cat', file).stdout as Readable),
        records
      ),
    bare: () => readLines(run('cat', file))
  }
  yield {
    name: 'exec source',
    prepare,
    ours: () => readAll(exec(`cat ${file}`), records),
    bare: () => readLines(run('sh', '-c', `cat ${file}`))
  }
  yield {
    name: 'tail source',
    prepare,
    ours: () => readAll(tail(file), records),
    bare: () => readLines(run('tail', '-n', '+1', '-f', file))
  }
  yield {
    name: 'stdout sink',
    prepare,
    ours: async () => {
      const child = reader()
      const ended = once(child, 'exit')
      const stdin = child.stdin as NonNullable<typeof child.stdin>
      await writeAll(jsonLinesSink(stdin), records)
      stdin.end()
      await ended
    },
    bare: async () => {
      const child = reader()
      const ended = once(child, 'exit')
      await pipeline(Readable.from(lines), child.stdin as NonNullable<typeof child.stdin>)
      await ended
    }
  }
}
