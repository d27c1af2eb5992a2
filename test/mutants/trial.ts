import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Tree } from './tree.ts'

/** A bug that makes a run hang is noticed, too. A test ends within 240 s, and the simulator says something every minute. */
const SILENT_MS = 300_000

/** Seeds that the simulator gets to find a bug. */
const SEEDS = 3_000

/** What was said by whatever noticed; undefined when nothing did. */
export type Verdict = string | undefined

/** Only a broken promise counts: with a bug that changes what happens, fewer kinds of faults and cheats may come to pass. */
export function simulate(tree: Tree): Promise<Verdict> {
  const flags = ['--seeds', `${SEEDS}`, '--workers', '1', '--failures', '1', '--any']
  return trial(tree, [join(tree.root, 'test/simulation/main.ts'), ...flags], /^seed \d+: /)
}

/** The tests in those folders, without those that run the simulator, or look for the places of the bugs: these always would notice. */
export function test(tree: Tree, folders: readonly string[]): Promise<Verdict> {
  const files = folders.flatMap((folder) =>
    readdirSync(join(tree.root, folder), { recursive: true })
      .map((file) => join(folder, String(file)))
      .filter((file) => file.endsWith('.test.ts') && !/simulation|mutations/.test(file))
  )
  const flags = ['--test', '--test-reporter=tap', '--test-timeout=240000', '--test-concurrency=2']
  return trial(tree, [...flags, ...files], /^\s*not ok \d+/)
}

/** Runs node until it ends, or a line says that something is wrong. */
async function trial({ root }: Tree, flags: string[], wrong: RegExp): Promise<Verdict> {
  const child = spawn(process.execPath, flags, { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const { pid } = child
  if (pid === undefined) throw new Error(`${process.execPath} does not start`)
  let verdict: Verdict
  const stop = (said: string): void => {
    verdict ??= said
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
  const timer = setTimeout(() => stop(`nothing for ${SILENT_MS / 1000} s`), SILENT_MS)
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      timer.refresh()
      if (wrong.test(line)) stop(line.trim())
    })
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  clearTimeout(timer)
  return verdict ?? (code === 0 ? undefined : `exit code ${code}`)
}
