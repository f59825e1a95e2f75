/* Java inside the sandbox, by the library of jshell: cells are snippets in one session, run in this
 * process (no socket, no second JVM).
 *
 * The messages are those of driver.py, over two pipes: Java opens no socket by number. What comes is
 * read at /dev/fd/200, what goes is written to /dev/fd/204. */
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.function.*;
import java.util.stream.*;
import jdk.jshell.*;
import jdk.jshell.execution.*;
import jdk.jshell.spi.*;

public class Driver {
    static final int MAX_PLAIN = 1 << 20, MAX_BINARY = 12 << 20, MAX_NAMES = 4096, MAX_VALUE = 64 << 10, MAX_TRACEBACK = 200 << 10;
    static final String IMPORTS = "import java.io.*; import java.math.*; import java.net.*; import java.nio.file.*; import java.util.*;"
        + "import java.util.concurrent.*; import java.util.function.*; import java.util.regex.*; import java.util.stream.*;";

    // ---- messages ----

    static InputStream in;
    static OutputStream out;
    static String key = "";
    static int seq;

    static byte[] bytes(Object value) {
        return value instanceof byte[] b ? b : String.valueOf(value).getBytes(StandardCharsets.UTF_8);
    }

    static void u32(ByteArrayOutputStream to, int n) {
        for (int i = 0; i < 32; i += 8) to.write(n >> i & 255);
    }

    /** Names and values in turn. */
    static synchronized void send(Object... fields) {
        ByteArrayOutputStream body = new ByteArrayOutputStream(), frame = new ByteArrayOutputStream();
        for (int i = 0; i < fields.length; i += 2) {
            byte[] name = bytes(fields[i]), value = bytes(fields[i + 1]);
            body.write(name.length);
            body.writeBytes(name);
            u32(body, value.length);
            body.writeBytes(value);
        }
        u32(frame, body.size());
        frame.writeBytes(body.toByteArray());
        try {
            out.write(frame.toByteArray());
            out.flush();
        } catch (IOException e) {
            System.err.println("[the interpreter lost its channel to the agent (" + e.getMessage() + ") and ends]");
            Runtime.getRuntime().halt(70);
        }
    }

    static int u32(byte[] b, int at) {
        return b[at] & 255 | (b[at + 1] & 255) << 8 | (b[at + 2] & 255) << 16 | (b[at + 3] & 255) << 24;
    }

    static Map<String, String> receive() throws IOException {
        byte[] head = in.readNBytes(4);
        if (head.length < 4) Runtime.getRuntime().halt(0);
        byte[] b = in.readNBytes(u32(head, 0));
        Map<String, String> frame = new HashMap<>();
        for (int at = 0; at < b.length;) {
            int n = b[at] & 255;
            String name = new String(b, at + 1, n, StandardCharsets.UTF_8);
            at += 1 + n;
            int size = u32(b, at);
            frame.put(name, new String(b, at + 4, size, StandardCharsets.UTF_8));
            at += 4 + size;
        }
        return frame;
    }

    static synchronized void publish(boolean main, List<Object> reprs) {
        if (key.isEmpty()) return;
        System.out.flush();
        System.err.flush();
        seq++;
        List<Object> fields = new ArrayList<>(List.of("op", "result", "key", key, "seq", seq, "main", main ? 1 : 0));
        fields.addAll(reprs);
        send(fields.toArray());
        try {
            for (;;) {
                Map<String, String> frame = receive();
                if ("ack".equals(frame.get("op")) && String.valueOf(seq).equals(frame.get("seq"))) return;
            }
        } catch (IOException e) {
            Runtime.getRuntime().halt(70);
        }
    }

    // ---- what cells may call ----

    static void display(Object value) {
        publish(false, List.of("m:text/plain", text(value)));
    }

    static void display(String mime, Object data) {
        byte[] b = data instanceof byte[] raw ? raw : bytes(data);
        if (b.length > MAX_BINARY) publish(false, List.of("m:text/plain", "[left out as too large: " + mime + " of " + b.length + " bytes]"));
        else publish(false, List.of("m:text/plain", "[" + mime + "]", "m:" + mime, b));
    }

    static String cut(String s, int limit) {
        if (s.length() <= limit) return s;
        int head = limit / 4 * 3, tail = limit / 4;
        return String.format(Locale.ROOT, "%s\n... [%,d of %,d characters cut here] ...\n%s", s.substring(0, head), s.length() - head - tail, s.length(),
            s.substring(s.length() - tail));
    }

    static String text(Object value) {
        try {
            if (value instanceof String s) return '"' + cut(s, MAX_PLAIN) + '"';
            if (value instanceof Character c) return "'" + c + "'";
            if (value != null && value.getClass().isArray()) {
                if (value instanceof Object[] a) return cut(Arrays.deepToString(a), MAX_PLAIN);
                String whole = Arrays.deepToString(new Object[] { value });
                return cut(whole.substring(1, whole.length() - 1), MAX_PLAIN);
            }
            return cut(String.valueOf(value), MAX_PLAIN);
        } catch (Throwable e) {
            if (e instanceof ThreadDeath) throw e;
            return "<" + plainName(value.getClass().getName()) + ": its toString() threw " + e + ">";
        }
    }

    // ---- the session ----

    static JShell shell;
    static volatile boolean interrupted;
    static volatile Object last;      // what $value() took
    static volatile boolean taken;
    static final Map<String, Object[]> snippets = new HashMap<>(); // id -> {cell, first line, source}

    /** Called by code that the driver adds: the value itself, not its text, which jshell cuts. */
    static void take(Object value) {
        last = value;
        taken = true;
    }

    /** The compiler of the snippets does not know this class; both know java.util.function. */
    static void lend() {
        Properties p = System.getProperties();
        p.put("agent.take", (Consumer<Object>) Driver::take);
        p.put("agent.display", (Consumer<Object>) Driver::display);
        p.put("agent.mime", (BiConsumer<String, Object>) Driver::display);
    }

    /** Standard streams that a cell can replace, and not close. */
    static class Kept extends PrintStream {
        Kept(FileDescriptor fd) {
            super(new FileOutputStream(fd), true, StandardCharsets.UTF_8);
        }

        @Override public void close() {
            flush();
        }
    }

    static final PrintStream OUT = new Kept(FileDescriptor.out), ERR = new Kept(FileDescriptor.err);

    static void mendStreams() {
        if (System.out != OUT || System.err != ERR) {
            System.setOut(OUT);
            System.setErr(ERR);
            ERR.println("[System.out or System.err was replaced; it is back]");
        }
    }

    static void open() {
        shell = JShell.builder().executionEngine(new LocalExecutionControlProvider(), Map.of()).out(OUT).err(ERR)
            .in(System.in).compilerOptions("-Xlint:none").build();
        for (String line : IMPORTS.split(";")) shell.eval(line + ";");
        lend();
        shell.eval("void display(Object value) { ((java.util.function.Consumer) System.getProperties().get(\"agent.display\")).accept(value); }");
        shell.eval("void display(String mime, Object data) { ((java.util.function.BiConsumer) System.getProperties().get(\"agent.mime\")).accept(mime, data); }");
    }

    record Failure(String name, String value, int line, String traceback) {}

    static int lineAt(String code, long position) {
        int line = 1;
        for (int i = 0; i < position && i < code.length(); i++) if (code.charAt(i) == '\n') line++;
        return line;
    }

    static Failure run(int number, String code) {
        SourceCodeAnalysis analysis = shell.sourceCodeAnalysis();
        String rest = code;
        Object value = null;
        boolean has = false;
        while (!rest.isBlank()) {
            if (interrupted) return null;
            SourceCodeAnalysis.CompletionInfo info = analysis.analyzeCompletion(rest);
            String source = info.source(), remaining = info.remaining();
            int from = code.length() - rest.length();
            if (info.completeness() == SourceCodeAnalysis.Completeness.EMPTY) break;
            if (!info.completeness().isComplete() || source == null || source.isBlank()) {
                source = rest;      // an error: the compiler says which
                remaining = "";
            }
            int skip = source.length() - source.stripLeading().length();
            has = false;
            // A semicolon after the last expression: its value is not shown.
            boolean silent = code.substring(from, code.length() - remaining(remaining)).strip().endsWith(";");
            for (SnippetEvent event : shell.eval(source)) {
                Snippet snippet = event.snippet();
                if (event.causeSnippet() != null) continue;
                snippets.put(snippet.id(), new Object[] { number, lineAt(code, from + skip), source });
                Failure failure = failed(event, number, code, from, source);
                if (failure != null) return failure;
                if (silent) continue;
                if (snippet instanceof ExpressionSnippet e && event.value() != null) {
                    value = fetch(e.name());
                    has = taken;
                } else if (snippet.kind() == Snippet.Kind.VAR && snippet.subKind() == Snippet.SubKind.TEMP_VAR_EXPRESSION_SUBKIND) {
                    value = fetch(((VarSnippet) snippet).name());
                    has = taken;
                }
            }
            rest = remaining == null ? "" : remaining;
        }
        if (has && value != null && !interrupted) publish(true, List.of("m:text/plain", text(value)));
        return null;
    }

    static int remaining(String s) {
        return s == null ? 0 : s.length();
    }

    /** Without what jshell puts around the classes of snippets. */
    static String plainName(String s) {
        return s == null ? "" : s.replaceAll("REPL\\.\\$JShell\\$\\w+\\$(?=\\w)", "");
    }

    static Object fetch(String name) {
        taken = false;
        last = null;
        lend();
        shell.eval("((java.util.function.Consumer) System.getProperties().get(\"agent.take\")).accept(" + name + ");");
        Object value = last;
        last = null;
        return value;
    }

    static Failure failed(SnippetEvent event, int number, String code, int from, String source) {
        Snippet snippet = event.snippet();
        if (event.status() == Snippet.Status.REJECTED) {
            List<String> lines = new ArrayList<>();
            String first = null;
            int line = 0;
            for (Diag d : shell.diagnostics(snippet).collect(Collectors.toList())) {
                if (!d.isError()) continue;
                int at = lineAt(code, from + Math.max(0, d.getPosition()));
                String message = d.getMessage(Locale.ROOT).strip();
                if (first == null) {
                    first = message.split("\n")[0];
                    line = at;
                }
                String[] all = code.split("\n", -1);
                lines.add("cell " + number + ":" + at + ": error: " + message + (at <= all.length ? "\n    " + all[at - 1].strip() : ""));
            }
            if (first == null) first = "the code is not complete";
            return new Failure("CompileError", first, line, lines.isEmpty() ? "CompileError: " + first : String.join("\n", lines));
        }
        JShellException e = event.exception();
        if (e == null) return null;
        if (interrupted) return null;
        if (e instanceof UnresolvedReferenceException u) {
            String names = shell.unresolvedDependencies(u.getSnippet()).collect(Collectors.joining(", "));
            String value = "it uses what is not defined: " + names;
            return new Failure("UnresolvedReference", value, line(u, number), trace(u, "UnresolvedReference: " + value));
        }
        EvalException v = (EvalException) e;
        String name = plainName(v.getExceptionClassName());
        String value = plainName(v.getMessage());
        return new Failure(name, value, line(v, number), trace(v, name + (value.isEmpty() ? "" : ": " + value)));
    }

    /** "cell 3:7" of a frame in a snippet, or null. */
    static String where(StackTraceElement f) {
        String file = f.getFileName();
        if (file == null || !file.startsWith("#")) return null;
        Object[] at = snippets.get(file.substring(1));
        return at == null ? null : "cell " + at[0] + ":" + ((Integer) at[1] + f.getLineNumber() - 1);
    }

    static int line(Throwable e, int number) {
        for (StackTraceElement f : e.getStackTrace()) {
            String place = where(f);
            if (place != null && place.startsWith("cell " + number + ":")) return Integer.parseInt(place.substring(place.indexOf(':') + 1));
        }
        return 0;
    }

    static String trace(Throwable e, String head) {
        StringBuilder b = new StringBuilder(head);
        int shown = 0;
        for (StackTraceElement f : e.getStackTrace()) {
            String place = where(f), name = f.getMethodName();
            if (f.getClassName().startsWith("REPL.") && place == null) continue;
            if (++shown > 100) {
                b.append("\n    ... ").append(e.getStackTrace().length - 100).append(" more");
                break;
            }
            if (place != null) b.append("\n    at ").append(name.isEmpty() || name.startsWith("do_it$") ? "" : name + " ").append('(').append(place).append(')');
            else b.append("\n    at ").append(plainName(f.toString()));
        }
        Throwable cause = e.getCause();
        if (cause != null && cause != e) {
            String name = plainName(cause instanceof EvalException c ? c.getExceptionClassName() : cause.getClass().getName());
            b.append('\n').append(trace(cause, "Caused by: " + name + (cause.getMessage() == null ? "" : ": " + cause.getMessage())));
        }
        return b.toString();
    }

    static String names() {
        StringBuilder b = new StringBuilder();
        Stream.of(shell.variables().map(VarSnippet::name), shell.methods().filter(m -> !m.name().equals("display")).map(MethodSnippet::name),
            shell.types().map(TypeDeclSnippet::name)).flatMap(s -> s).distinct().forEach(n -> {
                if (!n.startsWith("$") && b.length() + n.length() < MAX_NAMES) b.append(b.length() > 0 ? " " : "").append(n);
            });
        return b.toString();
    }

    static void cell(int number, String code) {
        Failure failure = null;
        interrupted = false;
        mendStreams();
        lend();
        try {
            failure = run(number, code);
        } catch (IllegalStateException e) {
            failure = new Failure("Error", "the session of jshell has ended", 0, "Error: the session of jshell has ended: " + e.getMessage());
            open();
        } catch (Throwable e) {
            failure = new Failure(e.getClass().getName(), String.valueOf(e.getMessage()), 0, trace(e, String.valueOf(e)));
        }
        if (interrupted) failure = new Failure("Interrupt", "the cell was interrupted", 0, "Interrupt: the cell was interrupted");
        System.out.flush();
        System.err.flush();
        if (failure != null)
            send("op", "error", "key", key, "name", cut(failure.name(), 200), "value", cut(failure.value(), MAX_VALUE), "line", failure.line(), "traceback",
                cut(failure.traceback(), MAX_TRACEBACK));
        String k = key;
        key = "";
        send("op", "done", "key", k, "names", names());
    }

    /** Through reflection: what stands for signals is the JDK's own, and a compiler warns of it. */
    static void onInterrupt(Runnable what) throws Exception {
        Class<?> signal = Class.forName("sun.misc.Signal"), handler = Class.forName("sun.misc.SignalHandler");
        Object proxy = java.lang.reflect.Proxy.newProxyInstance(handler.getClassLoader(), new Class<?>[] { handler }, (p, m, a) -> {
            if (m.getName().equals("handle")) what.run();
            return m.getName().equals("hashCode") ? 1 : m.getName().equals("equals") ? p == a[0] : null;
        });
        signal.getMethod("handle", signal, handler).invoke(null, signal.getConstructor(String.class).newInstance("INT"), proxy);
    }

    public static void main(String[] args) throws Exception {
        in = new BufferedInputStream(new FileInputStream("/dev/fd/200"));
        out = new FileOutputStream("/dev/fd/204");
        System.setOut(OUT);
        System.setErr(ERR);
        open();
        onInterrupt(() -> {
            if (key.isEmpty()) return;
            interrupted = true;
            shell.stop();
        });
        send("op", "ready");
        for (;;) {
            Map<String, String> frame = receive();
            if (!"run".equals(frame.get("op"))) continue;
            key = frame.getOrDefault("key", "");
            cell(Integer.parseInt(frame.getOrDefault("cell", "0")), frame.getOrDefault("code", ""));
        }
    }
}
