export interface ReferenceTables {
  readonly head: string
  readonly entry: string
  readonly change: string
  readonly cursor: string
  readonly lease: string
  readonly reader: string
}

export const referenceTables = (namespace: string): ReferenceTables => {
  const named = (name: string): string => `\`${namespace}_${name}\``
  return {
    head: named('head'),
    entry: named('entry'),
    change: named('change'),
    cursor: named('cursor'),
    lease: named('lease'),
    reader: named('reader'),
  }
}

const ID = 'VARCHAR(160) CHARACTER SET ascii COLLATE ascii_bin NOT NULL'

export const referenceSchema = ({ head, entry, change, cursor, lease, reader }: ReferenceTables): readonly string[] =>
  [
    `${head} (id ${ID} PRIMARY KEY, seq BIGINT NOT NULL DEFAULT 0, ord BIGINT NOT NULL DEFAULT 0, at BIGINT NOT NULL DEFAULT 0)`,
    `${entry} (id ${ID}, seq BIGINT NOT NULL, ord BIGINT NOT NULL, at BIGINT NOT NULL, msg_id ${ID}, user_id ${ID}, kind ${ID},
      body MEDIUMTEXT NOT NULL, PRIMARY KEY (id, seq), KEY (msg_id))`,
    `${change} (change_id BIGINT AUTO_INCREMENT PRIMARY KEY, id ${ID}, first_seq BIGINT NOT NULL, last_seq BIGINT NOT NULL)`,
    `${cursor} (user_id ${ID}, id ${ID}, delivered BIGINT NOT NULL DEFAULT 0, seen BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (user_id, id))`,
    `${lease} (name ${ID} PRIMARY KEY, holder ${ID}, fence BIGINT NOT NULL, ends_at BIGINT NOT NULL)`,
    `${reader} (name ${ID} PRIMARY KEY, position BIGINT NOT NULL)`,
  ].map((table) => `CREATE TABLE IF NOT EXISTS ${table} ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4`)
