import { useEffect, useRef, useState } from 'preact/hooks'
import UPlot from 'uplot'
import { plain } from '../parts/text.tsx'
import type { Row } from '../records/rows.ts'
import { useScheme } from './use-scheme.ts'

const HEIGHT = 240

/** One field of the records over their numbers. */
export function Chart({ rows, field }: { rows: readonly Row[]; field: string }) {
  const frame = useRef<HTMLDivElement>(null)
  const [plot, setPlot] = useState<UPlot | undefined>(undefined)
  const scheme = useScheme()
  useEffect(() => {
    const { current } = frame
    if (current === null) return
    const made = new UPlot(optionsFor(plain(field, 60), current), [[], []], current)
    const observer = new ResizeObserver(() => made.setSize({ width: current.clientWidth, height: HEIGHT }))
    observer.observe(current)
    setPlot(made)
    return () => {
      observer.disconnect()
      made.destroy()
    }
  }, [field, scheme])
  useEffect(() => {
    plot?.setData(pointsOf(rows, field))
  }, [plot, rows, field])
  return <div ref={frame} class="chart" role="img" aria-label={summary(rows, field)} />
}

function pointsOf(rows: readonly Row[], field: string): [number[], Array<number | null>] {
  const values = rows.map(({ fields }) => {
    const value = fields.get(field)
    return typeof value === 'number' ? value : null
  })
  return [rows.map(({ offset }) => Number(offset)), values]
}

/** The same for those who do not see it. */
function summary(rows: readonly Row[], field: string): string {
  const values = pointsOf(rows, field)[1].filter((value) => value !== null)
  const newest = values.at(-1)
  const name = plain(field, 60)
  if (newest === undefined) return `Chart of ${name}: no values yet`
  return `Chart of ${name}: ${newest}; between ${Math.min(...values)} and ${Math.max(...values)}`
}

function optionsFor(label: string, frame: HTMLElement): UPlot.Options {
  const style = getComputedStyle(frame)
  const color = (name: string): string => style.getPropertyValue(name).trim()
  const axis = {
    stroke: color('--quiet'),
    grid: { stroke: color('--line'), width: 1 },
    ticks: { stroke: color('--line'), width: 1 },
    font: `12px ${style.fontFamily}`
  }
  return {
    width: frame.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    scales: { x: { time: false } },
    axes: [axis, { ...axis, size: 60 }],
    series: [{}, { label, stroke: color('--accent'), width: 2, points: { show: false }, spanGaps: true }]
  }
}
