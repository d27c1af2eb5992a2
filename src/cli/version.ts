import { readFileSync } from 'node:fs'

/** Folder of the package: two above `src/cli`, three above `dist/src/cli`. */
export function packageRoot(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? '../../' : '../../../', import.meta.url)
}

export function version(): string {
  const { version: text } = JSON.parse(readFileSync(new URL('package.json', packageRoot()), 'utf8')) as {
    version: string
  }
  return text
}
