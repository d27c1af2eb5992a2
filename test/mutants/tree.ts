import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Mutation } from './mutations.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Beside what tests read: what the project is made into, and what runs of it leave. */
const LEFT_OUT = ['.git', 'node_modules', 'dist', '.ddm']

/** A copy of the project in which one thing at a time is broken. */
export class Tree {
  readonly root = mkdtempSync(join(tmpdir(), 'ddm-mutant-'))

  constructor() {
    const names = readdirSync(ROOT).filter((name) => !LEFT_OUT.includes(name))
    for (const name of names) cpSync(join(ROOT, name), join(this.root, name), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(this.root, 'node_modules'))
  }

  /** Breaks it; call what is returned to mend it. */
  plant({ name, file, from, to }: Mutation): () => void {
    const path = join(this.root, file)
    const source = readFileSync(path, 'utf8')
    const places = source.split(from).length - 1
    if (places !== 1) {
      throw new Error(`mutation '${name}': its text stands ${places} times in ${file}, it must stand there once`)
    }
    // A function, so that `$` means nothing.
    writeFileSync(
      path,
      source.replace(from, () => to)
    )
    return () => writeFileSync(path, source)
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}
