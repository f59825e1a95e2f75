// JavaScript and TypeScript inside the sandbox, in node: cells share one global scope.
//
// The messages are those of driver.py, on descriptor 200. V8 itself knows what a prompt needs: its
// evaluation "in REPL mode", reached through node's inspector within this process (no socket, no
// thread), lets const, let and class stay and be declared again, knows await at the top, and gives the
// value of the last expression. What it does not know is rewritten first: import and export
// statements, import() and import.meta (javascript_code.js, which stands in front of this file inside
// the sandbox), and the types of TypeScript.
//
// Between cells the event loop runs on: the next message is read by a thread of node's pool. While
// a cell runs nothing is read but the answers to results, which are waited for.
const fs = require('node:fs');
const inspector = require('node:inspector');
const { Module, createRequire } = require('node:module');
const path = require('node:path');
const url = require('node:url');
const util = require('node:util');
const vm = require('node:vm');
const { Writable } = require('node:stream');

const CONTROL = 200, OUT = 201, ERR = 202;
const TYPESCRIPT = process.argv[2] === 'typescript';
const WORKSPACE = process.cwd();
const MAX_PLAIN = 1 << 20, MAX_TEXT = 4 << 20, MAX_BINARY = 12 << 20, MAX_BUNDLE = 20 << 20;
const MAX_VALUE = 64 << 10, MAX_TRACEBACK = 200 << 10, MAX_NAMES = 4096, MAX_PENDING = 100;
const BINARY = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'application/pdf']);
const DRIVER = __filename;

// Taken now: a cell may replace them.
const { readSync, writeSync, read, fstatSync } = fs;
const G = globalThis;
const { Buffer, Promise, String, Symbol, JSON, Object, Array, Error, setImmediate } = globalThis;
const { inspect } = util;
const exit = process.reallyExit.bind(process);
const alloc = Buffer.alloc.bind(Buffer), concat = Buffer.concat.bind(Buffer), bytesOf = Buffer.from.bind(Buffer), sizeOf = Buffer.byteLength.bind(Buffer);
const stringify = JSON.stringify.bind(JSON);

// ---- messages ----

function pack(fields) {
  const parts = [alloc(4)];
  let size = 0;
  for (const [name, value] of fields) {
    const data = Buffer.isBuffer(value) ? value : bytesOf(String(value));
    const head = alloc(1 + name.length + 4);
    head[0] = name.length;
    head.write(name, 1, 'latin1');
    head.writeUInt32LE(data.length, 1 + name.length);
    parts.push(head, data);
    size += head.length + data.length;
  }
  parts[0].writeUInt32LE(size);
  return concat(parts);
}

function writeAll(fd, data) {
  for (let at = 0; at < data.length;) {
    try {
      at += writeSync(fd, data, at, data.length - at);
    } catch (e) {
      if (e.code !== 'EAGAIN') throw e;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

function send(...fields) {
  try {
    writeAll(CONTROL, pack(fields));
  } catch (e) {
    try {
      writeSync(ERR, `[the interpreter lost its channel to the agent (${e.code}) and ends]\n`);
    } finally {
      exit(70);
    }
  }
}

let inbox = alloc(0);

function take() {
  if (inbox.length < 4) return null;
  const end = 4 + inbox.readUInt32LE();
  if (inbox.length < end) return null;
  const frame = {};
  for (let at = 4; at < end;) {
    const name = inbox.toString('latin1', at + 1, at + 1 + inbox[at]);
    at += 1 + inbox[at];
    const size = inbox.readUInt32LE(at);
    frame[name] = inbox.toString('utf8', at + 4, at + 4 + size);
    at += 4 + size;
  }
  inbox = inbox.subarray(end);
  return frame;
}

function awaitAck(seq) {
  const part = alloc(4096);
  for (;;) {
    const frame = take();
    if (frame) {
      if (frame.op === 'ack' && frame.seq === String(seq)) return;
      continue;
    }
    let n = 0;
    try {
      n = readSync(CONTROL, part, 0, part.length, null);
    } catch (e) {
      if (e.code === 'EAGAIN' || e.code === 'EINTR') continue;
      exit(70);
    }
    if (n === 0) exit(0);
    inbox = concat([inbox, part.subarray(0, n)]);
  }
}

// ---- streams: written at once, and never made non-blocking, which children would inherit ----

const fds = { stdout: 1, stderr: 2 }; // where each is written; node can close a number, and not give it back

function makeStream(name) {
  const stream = new Writable({
    write(chunk, encoding, done) {
      try {
        writeAll(fds[name], chunk);
      } catch { /* closed by the cell; mendStreams says so */ }
      done();
    },
  });
  // As node's own: neither can be closed.
  stream.end = (chunk) => (chunk === undefined ? stream : (stream.write(chunk), stream));
  stream.destroy = stream.destroySoon = () => stream;
  return Object.assign(stream, { fd: fds[name], _type: 'pipe', _isStdio: true });
}

const streams = { stdout: makeStream('stdout'), stderr: makeStream('stderr') };
for (const name of ['stdout', 'stderr']) {
  Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => streams[name] });
}

function note(text) {
  try {
    writeSync(2, `[${text}]\n`);
  } catch { /* nobody can be told */ }
}

const identity = (fd) => {
  try {
    const st = fstatSync(fd);
    return `${st.dev}:${st.ino}`;
  } catch {
    return '';
  }
};
const identities = [identity(OUT), identity(ERR)];

function mendStreams() {
  [['stdout', 1, OUT], ['stderr', 2, ERR]].forEach(([name, fd, keep], i) => {
    if (fds[name] === keep || identity(fd) === identities[i]) return;
    fds[name] = keep;
    writeAll(ERR, bytesOf(`[file descriptor ${fd} (${name}) was closed or replaced; what node writes there is shown again, what its children write is not]\n`));
  });
}

// ---- how a value is shown ----

const commas = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ',');

function cut(text, limit) {
  if (text.length <= limit) return text;
  const head = limit * 3 >> 2, tail = limit >> 2;
  return `${text.slice(0, head)}\n... [${commas(text.length - head - tail)} of ${commas(text.length)} characters cut here] ...\n${text.slice(-tail)}`;
}

function plain(value) {
  if (typeof value === 'string' && value.length > MAX_PLAIN) {
    const head = MAX_PLAIN * 3 >> 2;
    return `${inspect(value.slice(0, head), { maxStringLength: null })}... [${commas(value.length - head)} of ${commas(value.length)} characters cut]`;
  }
  try {
    return cut(inspect(value, { depth: 4, maxArrayLength: 200, maxStringLength: MAX_PLAIN, breakLength: 100 }), MAX_PLAIN);
  } catch (e) {
    return `[${typeof value} that cannot be shown: ${oneLine(e)}]`;
  }
}

function oneLine(e) {
  try {
    return cut(e instanceof Error ? `${e.name}: ${e.message}` : inspect(e, { breakLength: Infinity }), 500);
  } catch {
    return 'an error that cannot be shown';
  }
}

const REPRS = [['text/html', '_repr_html_'], ['text/markdown', '_repr_markdown_'], ['image/svg+xml', '_repr_svg_'],
  ['image/png', '_repr_png_'], ['image/jpeg', '_repr_jpeg_'], ['text/latex', '_repr_latex_'], ['application/json', '_repr_json_']];
const JUPYTER = Symbol.for('Jupyter.display');

function bundle(value) {
  const found = {};
  if (value !== null && (typeof value === 'object' || typeof value === 'function') && !util.types.isProxy(value)) {
    const call = (name, key) => {
      try {
        const made = typeof value[name] === 'function' ? value[name]() : undefined;
        if (made === undefined || made === null) return;
        if (key) found[key] = made;
        else Object.assign(found, made);
      } catch (e) {
        note(`${String(name)} raised ${oneLine(e)}`);
      }
    };
    call(JUPYTER);
    for (const [mime, name] of REPRS) if (!(mime in found)) call(name, mime);
  }
  if (!('text/plain' in found)) found['text/plain'] = plain(value);
  return bound(found);
}

function toBytes(mime, value) {
  if (BINARY.has(mime)) {
    if (typeof value === 'string') return bytesOf(value, 'base64');
    return Buffer.isBuffer(value) ? value : bytesOf(value);
  }
  if (typeof value === 'string') return bytesOf(value);
  if (value instanceof Uint8Array) return bytesOf(value);
  return bytesOf(mime.endsWith('json') ? stringify(value) : String(value));
}

function bound(found) {
  const out = [], leftOut = [];
  let size = 0, text = alloc(0);
  for (const [key, value] of Object.entries(found)) {
    const mime = key.slice(0, 90).replace(/[^\x20-\x7e]/g, '?');
    let data;
    try {
      data = toBytes(mime, mime === 'text/plain' && typeof value === 'string' ? cut(value, MAX_PLAIN) : value);
    } catch (e) {
      note(`${mime} cannot be used: ${oneLine(e)}`);
      continue;
    }
    if (mime === 'text/plain') {
      text = data;
    } else if (data.length > (BINARY.has(mime) ? MAX_BINARY : MAX_TEXT) || size + data.length > MAX_BUNDLE - MAX_TEXT || out.length >= 20) {
      leftOut.push(`${mime} of ${commas(data.length)} bytes`);
    } else {
      out.push(['m:' + mime, data]);
      size += data.length;
    }
  }
  if (leftOut.length) text = concat([text, bytesOf(`\n[left out as too large: ${leftOut.join(', ')}]`)]);
  return [['m:text/plain', text], ...out];
}

let cell = null; // the running one: { key, number, seq, source, done }
let pending = [];
let seq = 0;

function publish(reprs, main) {
  if (!cell) {
    if (pending.length < MAX_PENDING) pending.push(reprs);
    return;
  }
  seq++;
  send(['op', 'result'], ['key', cell.key], ['seq', seq], ['main', main ? 1 : 0], ...reprs);
  awaitAck(seq);
}

function display(value, options) {
  publish(options && options.raw && value ? bound({ 'text/plain': '', ...value }) : bundle(value), false);
}
const asMime = (mime) => (data) => publish(bound({ 'text/plain': `[${mime}]`, [mime]: data }), false);
display.html = asMime('text/html');
display.markdown = asMime('text/markdown');
display.svg = asMime('image/svg+xml');
display.image = (data) => {
  if (typeof data === 'string') data = fs.readFileSync(data);
  const mime = data[0] === 0xff ? 'image/jpeg' : data[0] === 0x47 ? 'image/gif' : 'image/png';
  publish(bound({ 'text/plain': `[${mime}]`, [mime]: data }), false);
};

// ---- modules ----

const cellRequire = createRequire(path.join(WORKSPACE, 'cell.js'));
const loader = vm.constants && vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;
const importer = loader && vm.compileFunction('return import(s, o)', ['s', 'o'],
  { filename: path.join(WORKSPACE, 'cell.js'), importModuleDynamically: loader });

function __import(name, options) {
  name = String(name);
  if (importer) return importer(name, options);
  if (/^\.{0,2}\//.test(name)) name = url.pathToFileURL(path.resolve(WORKSPACE, name)).href;
  else if (!Module.builtinModules.includes(name) && !name.includes(':')) name = url.pathToFileURL(cellRequire.resolve(name)).href;
  return import(name, options);
}
__import.meta = { url: url.pathToFileURL(path.join(WORKSPACE, 'cell.js')).href, dirname: WORKSPACE, filename: path.join(WORKSPACE, 'cell.js') };
__import.has = (from, names, module) => {
  for (const name of names) {
    if (!(name in module)) throw new SyntaxError(`The module '${from}' has no export named '${name}'`);
  }
  return module;
};

// ---- TypeScript: types are taken out, not checked ----

class Refused extends Error {
  constructor(message, line, column) {
    super(message);
    Object.assign(this, { line, column });
  }
}

let maps = new Map(); // number of a cell -> map from what ran to what was written

function stripTypes(code, number) {
  const strip = Module.stripTypeScriptTypes;
  if (strip) {
    const warn = process.emitWarning;
    process.emitWarning = () => {}; // that it is experimental is nothing a cell can mend
    try {
      try {
        return strip(code, { mode: 'strip' });
      } catch (e) {
        if (e.code !== 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') throw e;
        return withMap(strip(code, { mode: 'transform', sourceMap: true }), number);
      }
    } catch (e) {
      // The stack begins with ":2", the lines, and a caret below the place.
      const place = /^[^\n]*:(\d+)\n(?:[^\n]*\n)*?( *)\^/.exec(e.stack) || [];
      throw new Refused(String(e.message).split('\n')[0], Number(place[1] || 0), place[2] === undefined ? 0 : place[2].length + 1);
    } finally {
      process.emitWarning = warn;
    }
  }
  const { spawnSync } = require('node:child_process');
  const done = spawnSync('esbuild', ['--loader=ts', '--sourcemap=inline', '--sources-content=false', '--target=esnext', '--log-level=error',
    '--color=false', '--supported:top-level-await=true', '--tsconfig-raw={"compilerOptions":{"preserveValueImports":true,"verbatimModuleSyntax":true,"target":"esnext"}}'],
  { input: code, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (done.error) {
    throw new Refused(done.error.code === 'ENOENT' ? 'TypeScript needs node 22.13 or newer, or esbuild in PATH' : `esbuild: ${done.error.message}`, 0, 0);
  }
  if (done.status !== 0) {
    const text = done.stderr || '';
    const message = /\[ERROR\] (.*)/.exec(text), place = /<stdin>:(\d+):(\d+):/.exec(text);
    throw new Refused(message ? message[1] : `esbuild ended with status ${done.status}`, place ? +place[1] : 0, place ? +place[2] + 1 : 0);
  }
  return withMap(done.stdout, number);
}

function withMap(code, number) {
  const m = /\n\/\/# sourceMappingURL=data:application\/json;base64,([\w+/=]+)\s*$/.exec(code);
  if (!m) return code;
  maps.set(number, new Module.SourceMap(JSON.parse(bytesOf(m[1], 'base64').toString())));
  return code.slice(0, m.index);
}

// Line and column as they were written, both from 1.
function origin(number, line, column) {
  const map = maps.get(number);
  if (!map) return [line, column];
  const entry = map.findEntry(line - 1, column - 1);
  return entry && entry.originalLine !== undefined ? [entry.originalLine + 1, entry.originalColumn + 1] : [line, column];
}

// ---- running code ----

const session = new inspector.Session();
session.connect();

// In this process the answer comes before post returns.
function ask(method, parameters) {
  let result, failure;
  session.post(method, parameters, (e, r) => { failure = e; result = r; });
  if (failure) throw new Error(failure.message);
  return result;
}

const SINK = Symbol.for('agent.value');
let caught;
Object.defineProperty(globalThis, SINK, { value(v) { caught = v; }, enumerable: false });
const target = ask('Runtime.evaluate', { expression: 'globalThis' }).result.objectId;

// The value behind a remote object of the inspector.
function valueOf(remote) {
  if (!remote || remote.type === 'undefined') return undefined;
  const argument = remote.objectId ? { objectId: remote.objectId }
    : 'unserializableValue' in remote ? { unserializableValue: remote.unserializableValue } : { value: remote.value };
  caught = undefined;
  ask('Runtime.callFunctionOn', { objectId: target, functionDeclaration: "function(v){this[Symbol.for('agent.value')](v)}", arguments: [argument], silent: true });
  const value = caught;
  caught = undefined;
  return value;
}

// Until the first await everything happens inside this call, and the interrupt can end it.
let evaluate = null;
const interruptible = new vm.Script('(f) => f()').runInThisContext();
const guarded = new vm.Script('globalThis[Symbol.for("agent.run")]()');
Object.defineProperty(globalThis, Symbol.for('agent.run'), { value() { interruptible(evaluate); }, enumerable: false });

class Interrupt extends Error {}

function start(code, number) {
  return new Promise((resolve, reject) => {
    evaluate = () => session.post('Runtime.evaluate', {
      expression: `${code}\n//# sourceURL=cell-${number}`, replMode: true, awaitPromise: true, objectGroup: 'cell', silent: true,
    }, (e, r) => (e ? reject(new Error(e.message)) : resolve(r)));
    try {
      guarded.runInThisContext({ breakOnSigint: true });
    } catch (e) {
      reject(e && e.code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED' ? new Interrupt('the cell was interrupted') : e);
    }
  });
}

const DECLARED = /^SyntaxError: Identifier '([^']+)' has already been declared/;

const isThere = (name) => Object.hasOwn(G, name) || ask('Runtime.globalLexicalScopeNames', {}).names.includes(name);

// Nothing of a script has run when one of its names is refused: it may be tried in another form.
async function startLoosely(code, number) {
  for (let tries = 0;; tries++) {
    const r = await start(code, number);
    const e = r.exceptionDetails && r.exceptionDetails.exception;
    const m = e && e.subtype === 'error' && DECLARED.exec(e.description);
    const other = m && tries < 20 && isThere(m[1]) ? loosen(code, m[1]) : code;
    if (other === code || other.length > 4 * code.length + 1000) return r;
    code = other;
  }
}

class Exit {
  constructor(code) { this.code = code; }
}

process.exit = process.reallyExit = (code) => {
  if (code === undefined || code === null) code = process.exitCode || 0;
  throw new Exit(Number(code) || 0);
};

async function run(frame) {
  const number = Number(frame.cell) || 0;
  const mine = { key: frame.key, number, source: frame.code };
  const ended = new Promise((resolve) => { mine.fail = (e) => resolve({ thrown: e }); });
  cell = mine;
  mendStreams();
  for (const reprs of pending.splice(0)) publish(reprs, false);
  let outcome;
  try {
    const code = rewrite(TYPESCRIPT ? stripTypes(frame.code, number) : frame.code);
    outcome = await Promise.race([ended, startLoosely(code, number).then(async (r) => {
      if (r.exceptionDetails) return { thrown: valueOf(r.exceptionDetails.exception), details: r.exceptionDetails };
      let value = valueOf(r.result);
      if (!util.types.isPromise(value)) return { value };
      return value.then((v) => ({ value: v }), (e) => ({ thrown: e })); // main() without await
    })]);
    // Rejections that nobody handles are told after the microtasks; they belong to this cell.
    if (!('thrown' in outcome)) outcome = await Promise.race([ended, new Promise((resolve) => setImmediate(() => setImmediate(() => resolve(outcome))))]);
  } catch (e) {
    if (!(e instanceof Refused || e instanceof Interrupt || e instanceof Exit)) {
      // The code broke what the driver itself needs; the next cell gets a new one.
      writeAll(ERR, bytesOf(`[the interpreter failed and ends: ${oneLine(e)}]\n`));
      exit(70);
    }
    outcome = { thrown: e };
  }
  try {
    ask('Runtime.releaseObjectGroup', { objectGroup: 'cell' });
  } catch { /* the cell ended the session */ }
  if (cell !== mine) return;
  if ('thrown' in outcome) {
    report(outcome.thrown, outcome.details, mine);
  } else if (outcome.value !== undefined) {
    G._ = outcome.value;
    publish(bundle(outcome.value), true);
  }
  finish();
}

// Where the driver called the cell, and all below.
const BELOW = /\n\s+at (?:Session\.post \(node:inspector|new Script |process\.emit \(node:events)[^]*$/;

// Takes the frames of this file and of node's inside out of an error's stack, and of those it holds.
function cleanStack(e, depth = 0) {
  if (!util.types.isNativeError(e) || depth > 8) return;
  try {
    let stack = String(e.stack).replace(BELOW, '');
    stack = stack.split('\n').filter((line) => !(/^\s+at /.test(line) && (line.includes(DRIVER) || /\(?node:internal/.test(line)))).join('\n');
    if (stack !== e.stack) Object.defineProperty(e, 'stack', { value: stack, writable: true, configurable: true, enumerable: false });
  } catch { /* frozen, or a liar: its stack is shown as it is */ }
  cleanStack(e.cause, depth + 1);
  if (Array.isArray(e.errors)) for (const one of e.errors.slice(0, 20)) cleanStack(one, depth + 1);
}

// Places as they were written.
const tidyStack = (text) => String(text).replace(/\bcell-(\d+):(\d+):(\d+)/g, (_, n, l, c) => {
  const [line, column] = origin(Number(n), Number(l), Number(c));
  return `cell ${n}:${line}:${column}`;
});

function report(thrown, details, mine) {
  if (thrown instanceof Exit) {
    if (thrown.code === 0) return;
    const value = `the cell called process.exit(${thrown.code})`;
    send(['op', 'error'], ['key', mine.key], ['name', 'Exit'], ['value', value], ['line', 0], ['traceback', `Exit: ${value}`], ['exit', thrown.code]);
    return;
  }
  let name = 'Error', value = '', text = '', line = 0, column = 0;
  try {
    if (thrown instanceof Refused || thrown instanceof Interrupt) {
      name = thrown instanceof Refused ? 'SyntaxError' : 'Interrupt';
      value = thrown.message;
      line = thrown.line || 0;
      column = thrown.column || 0;
      text = `${name}: ${value}`;
    } else if (util.types.isNativeError(thrown) || thrown instanceof Error) {
      name = String(thrown.name);
      value = String(thrown.message);
      cleanStack(thrown);
      text = tidyStack(inspect(thrown, { depth: 3, maxStringLength: 10000 })).replace(/^\[([^\n]*)\]$/, '$1');
    } else {
      name = 'Thrown';
      value = plain(thrown);
      text = `Uncaught ${value}`;
    }
  } catch (e) {
    value = '(its message cannot be shown)';
    text = `${name}: ${value}`;
  }
  const place = new RegExp(`cell ${mine.number}:(\\d+):(\\d+)`).exec(text);
  if (place) {
    [line, column] = [Number(place[1]), Number(place[2])];
  } else if (!line && details && details.scriptId && name === 'SyntaxError') {
    [line, column] = origin(mine.number, details.lineNumber + 1, details.columnNumber + 1);
  }
  const source = mine.source.split('\n')[line - 1];
  if (source !== undefined && source.length < 500) {
    text = `cell ${mine.number}:${line}\n${source}\n${' '.repeat(Math.max(0, column - 1))}^\n\n${text}`;
  }
  send(['op', 'error'], ['key', mine.key], ['name', name.slice(0, 200)], ['value', cut(value, MAX_VALUE)], ['line', line], ['traceback', cut(text, MAX_TRACEBACK)]);
}

let initial = new Set();

function names() {
  const found = new Set(Object.getOwnPropertyNames(G));
  try {
    for (const name of ask('Runtime.globalLexicalScopeNames', {}).names) found.add(name);
  } catch { /* as above */ }
  const out = [];
  let size = 0;
  for (const name of found) {
    if (initial.has(name) || name === '_' || /\s/.test(name)) continue;
    size += sizeOf(name) + 1;
    if (size > MAX_NAMES) break;
    out.push(name);
  }
  return out.join(' ');
}

function finish() {
  const { key } = cell;
  cell = null;
  send(['op', 'done'], ['key', key], ['names', names()]);
  listen();
}

// ---- between cells, and what happens outside of any code's own course ----

function listen() {
  const part = alloc(1 << 16);
  const next = () => read(CONTROL, part, 0, part.length, null, (e, n) => {
    if (e && (e.code === 'EAGAIN' || e.code === 'EINTR')) return next();
    if (e || n === 0) return exit(0);
    inbox = concat([inbox, part.subarray(0, n)]);
    return hear();
  });
  const hear = () => {
    for (;;) {
      const frame = take();
      if (!frame) return next();
      if (frame.op === 'run') return void run(frame);
    }
  };
  hear();
}

function stray(e, what) {
  if (cell) cell.fail(e);
  else if (!(e instanceof Exit)) note(`${what} after its cell: ${oneLine(e)}`);
}
process.on('uncaughtException', (e) => stray(e, 'an error'));
process.on('unhandledRejection', (e) => stray(e, 'a rejected promise'));
process.on('SIGINT', () => { if (cell) cell.fail(new Interrupt('the cell was interrupted')); });
// Nothing is left that could wake what the cell awaits.
process.on('beforeExit', () => {
  if (cell) cell.fail(new Error('the cell awaits a promise that nothing can settle any more'));
});

Object.defineProperty(globalThis, '__import', { value: __import, enumerable: false, writable: true, configurable: true });
Object.assign(globalThis, { require: cellRequire, display, module: { exports: {} }, exports: {}, __dirname: WORKSPACE, __filename: path.join(WORKSPACE, 'cell.js') });
process.argv = [process.argv[0], path.join(WORKSPACE, 'cell.js')];
initial = new Set([...Object.getOwnPropertyNames(G), '_']);
send(['op', 'ready']);
listen();
