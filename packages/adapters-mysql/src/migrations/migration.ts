/** A numbered step of the schema. Every statement may be run again; DDL commits by itself, so a step has no other atomicity. */
export interface Migration {
  readonly version: number
  readonly name: string
  /** Names of tables and views are written bare, `t_cs_…` and `t_im_…`, and are replaced by those of the namespace. */
  readonly statements: readonly string[]
}
