// JavaScript, part 1 (part 2, javascript.js, follows in the same file inside the sandbox): what a script
// may not say, said so that it may. Code in, code out, lines where they were. A word is known by what
// stands before it; nothing is parsed.
'use strict';

const isWord = (c) => /[\w$\u0080-\uffff]/.test(c);
// After these a slash begins a pattern, and not a division.
const BEFORE_PATTERN = new Set(['return', 'typeof', 'case', 'in', 'of', 'delete', 'void', 'throw', 'new', 'do', 'else', 'instanceof', 'await', 'yield']);

// Calls onWord(word, at, depth, atStatement) for each word outside strings, comments and patterns; a
// number it returns is where to go on. onClose(at) for each brace that closes at the outermost level.
function scan(code, onWord, onClose) {
  const stack = []; // '{', '(', '[', or '`' for the inside of ${}
  let last = '', lastWord = ''; // last significant character, and the word it ends
  let fresh = true; // nothing of this statement yet
  const quoted = (i, q) => {
    for (i++; i < code.length && code[i] !== q; i++) if (code[i] === '\\') i++;
    return i + 1;
  };
  const template = (i) => { // past the text; true as second when at ${
    for (; i < code.length; i++) {
      if (code[i] === '\\') i++;
      else if (code[i] === '`') return [i + 1, false];
      else if (code[i] === '$' && code[i + 1] === '{') return [i + 2, true];
    }
    return [i, false];
  };
  const pattern = (i) => {
    let inClass = false;
    for (i++; i < code.length && code[i] !== '\n'; i++) {
      if (code[i] === '\\') i++;
      else if (code[i] === '[') inClass = true;
      else if (code[i] === ']') inClass = false;
      else if (code[i] === '/' && !inClass) break;
    }
    return i + 1;
  };
  for (let i = 0; i < code.length;) {
    const c = code[i];
    if (c === '\n') {
      if (stack.length === 0 && /[\w$)\]}'"`;]/.test(last || ';')) fresh = true;
      i++;
    } else if (/\s/.test(c)) {
      i++;
    } else if (c === '/' && code[i + 1] === '/') {
      while (i < code.length && code[i] !== '\n') i++;
    } else if (c === '/' && code[i + 1] === '*') {
      const end = code.indexOf('*/', i + 2);
      i = end < 0 ? code.length : end + 2;
    } else if (c === '"' || c === "'") {
      i = quoted(i, c);
      [last, lastWord, fresh] = [c, '', false];
    } else if (c === '`' || (c === '}' && stack[stack.length - 1] === '`')) {
      if (c === '}') stack.pop();
      const [next, open] = template(i + 1);
      if (open) stack.push('`');
      i = next;
      [last, lastWord, fresh] = [open ? '(' : '`', '', false];
    } else if (c === '/' && (last === '' || /[({[,;=:?!&|+\-*%<>~^}]/.test(last) || BEFORE_PATTERN.has(lastWord))) {
      i = pattern(i);
      [last, lastWord, fresh] = [')', '', false];
    } else if (isWord(c)) {
      let end = i + 1;
      while (end < code.length && isWord(code[end])) end++;
      const word = code.slice(i, end);
      const jump = last === '.' ? undefined : onWord(word, i, stack.length, fresh);
      [last, lastWord, fresh] = [code[end - 1], word, false];
      if (jump !== undefined) [last, lastWord, fresh] = [';', '', true];
      i = jump === undefined ? end : jump;
    } else {
      if (c === '{' || c === '(' || c === '[') stack.push(c);
      else if (c === '}' || c === ')' || c === ']') stack.pop();
      if (c === '}' && stack.length === 0 && onClose) onClose(i);
      fresh = stack.length === 0 && (c === ';' || c === '}');
      [last, lastWord] = [c, ''];
      i++;
    }
  }
}

const IMPORT = /import\s*(?:([\w$*{},\s\u0080-\uffff]+?)\s*from\s*)?(['"])((?:(?!\2)[^\\\n])+)\2(?:\s*(?:with|assert)\s*(\{[^}]*\}))?[ \t]*;?/y;

// import d, { a as b }, * as ns from 'm'  ->  const statements on the same lines
function importStatement(m) {
  const [, what, , from, attributes] = m;
  const call = `await __import(${stringify(from)}${attributes ? `, { with: ${attributes} }` : ''})`;
  if (!what) return `${call};`;
  const parts = [], names = [];
  let rest = what.trim(), space = '';
  const braces = /\{([^}]*)\}/.exec(rest);
  if (braces) {
    for (const item of braces[1].split(',').map((s) => s.trim()).filter(Boolean)) {
      const [name, as] = item.split(/\s+as\s+/);
      names.push(name);
      parts.push(as ? `${name}: ${as}` : name);
    }
    rest = rest.replace(braces[0], '');
  }
  for (const item of rest.split(',').map((s) => s.trim()).filter(Boolean)) {
    const star = /^\*\s*as\s+(.+)$/.exec(item);
    if (star) {
      space = star[1];
    } else {
      names.push('default');
      parts.push(`default: ${item}`);
    }
  }
  const made = [];
  if (space) made.push(`let ${space} = ${call};`);
  if (parts.length || !space) {
    made.push(`let { ${parts.join(', ')} } = __import.has(${stringify(from)}, ${stringify(names)}, ${call});`);
  }
  return made.join(' ');
}

function rewrite(code) {
  const edits = [];
  const put = (from, to, text) => {
    const lines = code.slice(from, to).split('\n').length - 1;
    edits.push([from, to, text + '\n'.repeat(lines)]);
    return to;
  };
  scan(code, (word, at, depth, fresh) => {
    // V8 lets only a let be declared again as something else.
    if (word === 'const' && depth === 0 && fresh && !/^\s+enum\b/.test(code.slice(at + 5, at + 40))) edits.push([at, at + 5, 'let  ']);
    if (word === 'import') {
      const after = /\s*[(.]/y;
      after.lastIndex = at + 6;
      if (after.test(code)) {
        edits.push([at, at + 6, '__import']);
        return undefined;
      }
      IMPORT.lastIndex = at;
      const m = depth === 0 && fresh ? IMPORT.exec(code) : null;
      return m ? put(at, at + m[0].length, importStatement(m)) : undefined;
    }
    if (word === 'export' && depth === 0 && fresh) {
      const list = /export\s*\{[^}]*\}[ \t]*;?/y;
      list.lastIndex = at;
      const m = list.exec(code);
      if (m) return put(at, at + m[0].length, '');
      const lead = /export\s+(default\s+(?=[^\s])|(?=(?:const|let|var|function|class|async)\b))/y;
      lead.lastIndex = at;
      const l = lead.exec(code);
      return l ? put(at, at + l[0].length, '') : undefined;
    }
    return undefined;
  });
  let out = '', from = 0;
  for (const [a, b, text] of edits) {
    out += code.slice(from, a) + text;
    from = b;
  }
  return out + code.slice(from);
}

// Code that declares `name` in a way that what there is of that name permits: a let or class cannot
// become a var or a function, nor these a let. Nothing has run when V8 says so.
function loosen(code, name) {
  const edits = [];
  let closing = '';
  scan(code, (word, at, depth, fresh) => {
    if (depth !== 0) return;
    const rest = code.slice(at + word.length);
    const declared = new RegExp(`^\\s+(?:[^=;\\n]*[^\\w$=;])?${name.replace(/\$/g, '\\$')}(?![\\w$])`).test(rest);
    if (!fresh || !declared) return;
    if (word === 'let') edits.push([at, at + 3, 'var']);
    else if (word === 'var') edits.push([at, at + 3, 'let']);
    else if (word === 'class') {
      edits.push([at, at + 5, `var ${name} = class`]);
      closing = word;
    } else if (word === 'function' || word === 'async') {
      edits.push([at, at + word.length, `;void (${name} = ${word}`]);
      closing = word;
    }
  }, (at) => {
    if (closing) edits.push([at + 1, at + 1, closing === 'class' ? ';' : ');']);
    closing = '';
  });
  let out = '', from = 0;
  for (const [a, b, text] of edits) {
    out += code.slice(from, a) + text;
    from = b;
  }
  return out + code.slice(from);
}
