import { printable } from '../interface/index.ts'

/** Rows as aligned columns; control characters would shift them, so they go first. */
export function table(header: string[], rows: string[][]): string[] {
  const cells = [header, ...rows].map((row) => row.map(printable))
  const widths = header.map((_, column) => Math.max(...cells.map((row) => [...(row[column] ?? '')].length)))
  return cells.map((row) =>
    row
      .map((cell, column) =>
        column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - [...cell].length)
      )
      .join('  ')
  )
}

/** A long ID as people recognise it. */
export function short(id: string, length = 10): string {
  return id.length > length ? id.slice(0, length) : id
}
