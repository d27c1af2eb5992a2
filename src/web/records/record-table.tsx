import { Table } from '../parts/table.tsx'
import { Text } from '../parts/text.tsx'
import { cellText, columnsOf, type Row } from './rows.ts'

export function RecordTable({ caption, rows }: { caption: string; rows: readonly Row[] }) {
  const columns = columnsOf(rows)
  return (
    <Table
      caption={caption}
      columns={[
        '#',
        ...columns.map((name) => (
          <Text key={name} max={60}>
            {name}
          </Text>
        ))
      ]}
      rows={rows.map(({ offset, fields }) => ({
        key: offset,
        cells: [offset, ...columns.map((name) => <Text key={name}>{cellText(fields.get(name))}</Text>)]
      }))}
    />
  )
}
