// The page of the node: built with Vite from src/web into dist/web.
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { node24, root } from './setup.mjs'

const source = join(root, 'src', 'web')
const built = join(root, 'dist', 'web', 'index.html')

/** Builds the page; its exit code. Only what goes wrong is said, on stderr: stdout is the command's. */
export function buildPage() {
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js')
  const args = [vite, 'build', '--config', join(source, 'vite.config.ts'), '--logLevel', 'warn']
  return spawnSync(node24(), args, { cwd: root, stdio: ['ignore', 2, 2] }).status ?? 1
}

/** Builds the page when there is none or its source is newer; a node serves without one, too. */
export function preparePage() {
  const builtAt = statSync(built, { throwIfNoEntry: false })?.mtimeMs ?? 0
  const files = readdirSync(source, { recursive: true, withFileTypes: true })
  const newest = Math.max(...files.map(({ parentPath, name }) => statSync(join(parentPath, name)).mtimeMs))
  if (newest <= builtAt) return
  if (buildPage() !== 0) process.stderr.write('The page could not be built; see above. Everything else works.\n')
}
