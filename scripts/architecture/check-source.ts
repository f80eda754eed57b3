import { posix } from 'node:path'
import ts from 'typescript'
import * as rules from './rules.js'

export interface Violation {
  /** Path from the repository's root, with `/`. */
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly rule: 'direction' | 'layer' | 'boundary' | 'module' | 'dependency' | 'word' | 'clock' | 'size'
  readonly severity: 'error' | 'warning'
  readonly message: string
}

interface Place {
  readonly file: string
  readonly pkg: string
  readonly part: string
  /** First folder below src, or '' for a file directly in src. */
  readonly folder: string
}

const locate = (file: string): Place | undefined => {
  const [top, pkg, part, ...rest] = file.split('/')
  if (top !== 'packages' || pkg === undefined || part === undefined || rest.length === 0) return undefined
  return { file, pkg, part, folder: rest.length > 1 ? (rest[0] as string) : '' }
}

/**
 * Checks one file under packages/*. Pure: `file` is its path from the root, `text` its content, `dependencies` the names that the
 * package's package.json declares (left out = not checked). Purely syntactic, so a type error elsewhere hides nothing.
 */
export function checkSource(file: string, text: string, dependencies?: readonly string[]): Violation[] {
  const place = locate(file)
  if (place === undefined) return []
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true)
  const found: Violation[] = []
  const report = (position: number, rule: Violation['rule'], message: string): void => {
    found.push({ file, line: source.getLineAndCharacterOfPosition(position).line + 1, rule, severity: 'error', message })
  }
  const clocked = place.part === 'src' && rules.CLOCKED_PACKAGES[place.pkg]?.exempt.includes(place.folder) === false
  const visit = (node: ts.Node): void => {
    const specifier = moduleSpecifier(node)
    if (specifier !== undefined) checkImport(place, specifier, dependencies, (rule, message) => report(specifier.getStart(), rule, message))
    if (clocked) {
      const use = clockUse(node, rules.CHANCE_EXCEPTIONS[`${place.pkg}/src/${place.folder}`] ?? [])
      if (use !== undefined) report(node.getStart(), 'clock', `${use}: time and chance come from Clock and Ids`)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  if (place.part === 'src') {
    checkWords(place, text, (position, message) => report(position, 'word', message))
    found.push(...checkSize(file, text))
  }
  return found
}

/** The module that `node` names, whatever the form: import, export from, import(), require(), `import('x').T`. */
function moduleSpecifier(node: ts.Node): ts.StringLiteralLike | undefined {
  let specifier: ts.Node | undefined
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) specifier = node.moduleSpecifier
  else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) specifier = node.argument.literal
  else if (ts.isExternalModuleReference(node)) specifier = node.expression
  else if (ts.isCallExpression(node)) {
    const callee = node.expression
    if (callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require')) specifier = node.arguments[0]
  }
  return specifier !== undefined && ts.isStringLiteralLike(specifier) ? specifier : undefined
}

type ReportImport = (rule: Violation['rule'], message: string) => void

function checkImport(
  place: Place,
  specifier: ts.StringLiteralLike,
  dependencies: readonly string[] | undefined,
  report: ReportImport,
): void {
  const name = specifier.text
  if (name.startsWith('.')) return checkRelative(place, name, report)
  if (name.startsWith('node:')) {
    if (place.pkg === 'protocol' && place.part === 'src') report('module', `protocol does no I/O, so it does not import ${name}`)
    return
  }
  const bare = name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/')
  if (bare.startsWith('@innerline/')) {
    const target = bare.slice('@innerline/'.length)
    const allowed = rules.PACKAGE_DIRECTION[place.pkg]
    const own = target === place.pkg && place.part !== 'src'
    if (!own && allowed?.includes(target) !== true) report('direction', `${place.pkg} may not import ${bare}`)
    if (name.endsWith('/contract') && place.part === 'src') report('direction', 'contract suites are imported by tests only')
  }
  if (place.part !== 'src') return
  const home = rules.MODULE_HOMES[bare]
  if (home !== undefined && !home.test(place.file)) report('module', `${bare} is imported only in ${home.source.replaceAll('\\', '')}`)
  if (dependencies?.includes(bare) === false) report('dependency', `${bare} is not in the package.json of ${place.pkg}`)
}

function checkRelative(place: Place, name: string, report: ReportImport): void {
  const path = posix.join(posix.dirname(place.file), name)
  // A test may use the repository's own support code; it may not reach into another package.
  if (place.part !== 'src' && !path.startsWith('packages/')) return
  const target = locate(path)
  if (target === undefined || target.pkg !== place.pkg) return report('boundary', `${name} leaves the package; import it by its name`)
  if (place.part !== 'src') return
  if (target.part !== 'src') return report('boundary', `${name} leaves src`)
  if (place.pkg !== 'server-core') return
  checkLayer(place, target, report)
}

function checkLayer(place: Place, target: Place, report: ReportImport): void {
  if (target.folder === 'runtime' && place.folder !== 'runtime') {
    if (!rules.RUNTIME_IMPORTERS.includes(posix.relative('packages/server-core/src', place.file)))
      report('layer', `runtime/ is imported only by ${rules.RUNTIME_IMPORTERS.join(' and ')}`)
    return
  }
  if (place.folder === '' || place.folder === target.folder) return
  const allowed = rules.SERVER_LAYERS[place.folder]
  if (allowed === undefined) return report('layer', `${place.folder}/ is not in the layer table; add it to scripts/architecture/rules.ts`)
  if (target.folder === '') return report('layer', `${place.folder}/ may not import files directly in src, which compose it`)
  if (!allowed.includes(target.folder)) report('layer', `${place.folder}/ may not import ${target.folder}/`)
}

const GLOBAL_OBJECTS = ['globalThis', 'window', 'self', 'global']

/** How `node` reads the time or chance of the machine, or undefined. */
function clockUse(node: ts.Node, exceptions: readonly string[]): string | undefined {
  if (ts.isNewExpression(node) && isNamed(node.expression, ['Date']) && (node.arguments?.length ?? 0) === 0) return 'new Date()'
  if (ts.isCallExpression(node) && isNamed(node.expression, ['Date'])) return 'Date()'
  const specifier = moduleSpecifier(node)
  if (specifier !== undefined && rules.TIMER_MODULES.includes(specifier.text.replace(/^node:/, ''))) return specifier.text
  if (ts.isPropertyAccessExpression(node)) {
    const member = node.name.text
    const owner = ts.isPropertyAccessExpression(node.expression) ? node.expression.name : node.expression
    if (ts.isIdentifier(owner) && rules.CLOCK_MEMBERS[owner.text]?.includes(member) === true) return `${owner.text}.${member}`
    if (isNamed(owner, GLOBAL_OBJECTS) && rules.TIMER_GLOBALS.includes(member)) return member
    return rules.CHANCE_NAMES.includes(member) && !exceptions.includes(member) ? member : undefined
  }
  if (!ts.isIdentifier(node) || !isReference(node)) return undefined
  if (rules.TIMER_GLOBALS.includes(node.text)) return node.text
  return rules.CHANCE_NAMES.includes(node.text) && !exceptions.includes(node.text) ? node.text : undefined
}

const isNamed = (node: ts.Node, names: readonly string[]): boolean => ts.isIdentifier(node) && names.includes(node.text)

/** Whether the identifier stands for the global or imported thing: not a member's, property's or parameter's own name, nor a type. */
function isReference(node: ts.Identifier): boolean {
  const parent = node.parent
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node
  if (ts.isBindingElement(parent)) return parent.propertyName === node || parent.initializer === node
  if (ts.isTypeQueryNode(parent) || ts.isQualifiedName(parent) || ts.isTypeReferenceNode(parent)) return false
  const named = parent as ts.Node & { readonly name?: ts.Node }
  return ts.isImportSpecifier(parent) || ts.isShorthandPropertyAssignment(parent) || named.name !== node
}

function checkWords(place: Place, text: string, report: (position: number, message: string) => void): void {
  if (place.pkg !== 'server-core' || !rules.BACKEND_FREE_FOLDERS.includes(place.folder)) return
  // Words inside camelCase and snake_case names count too: `sqlState` names a back end as plainly as a comment does.
  for (const match of text.matchAll(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g)) {
    const word = match[0].toLowerCase()
    if (!rules.BACKEND_WORDS.includes(word)) continue
    if (word.startsWith('topic') && rules.TOPIC_IS_DOMAIN.test(place.file)) continue
    report(match.index, `"${match[0]}" names a back end; ${place.folder}/ speaks of ports`)
  }
}

function checkSize(file: string, text: string): Violation[] {
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
  if (lines <= rules.WARN_LINES) return []
  const severity = lines > rules.MAX_LINES ? 'error' : 'warning'
  return [
    { file, line: lines, rule: 'size', severity, message: `${lines} lines (look again at ${rules.WARN_LINES}, limit ${rules.MAX_LINES})` },
  ]
}
