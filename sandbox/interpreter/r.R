# R inside the sandbox: cells are evaluated in the global environment.
#
# The messages are those of driver.py, over two pipes (R opens no socket by number): what comes is
# read at /dev/fd/200, what goes is written to /dev/fd/204. Every visible value is printed, as R
# does; that of the last expression is a result. Plots go to a PNG device that a plot opens; each
# page becomes a file of the workspace and a result.
#
# All of ours is in one environment behind the search path, so that rm(list = ls()) harms nothing.

local({
    me <- new.env(parent = baseenv())
    attach(NULL, pos = length(search()), name = "agent")
    place <- as.environment("agent")

    with(me, {
        incoming <- file("/dev/fd/200", "rb", raw = TRUE)
        outgoing <- file("/dev/fd/204", "wb", raw = TRUE)
        state <- new.env(parent = emptyenv())
        state$key <- ""
        state$seq <- 0
        state$figure <- 0
        state$pages <- ""
        MAX_PLAIN <- 1048576
        MAX_BINARY <- 12582912
        MAX_NAMES <- 4096

        # ---- messages ----

        u32 <- function(n) as.raw(c(n %% 256, n %/% 256 %% 256, n %/% 65536 %% 256, n %/% 16777216 %% 256))
        to_bytes <- function(v) if (is.raw(v)) v else charToRaw(enc2utf8(paste(as.character(v), collapse = "\n")))

        send <- function(...) {
            fields <- list(...)
            body <- lapply(names(fields), function(n) {
                value <- to_bytes(fields[[n]])
                name <- charToRaw(n)
                c(as.raw(length(name)), name, u32(length(value)), value)
            })
            body <- do.call(c, body)
            writeBin(c(u32(length(body)), body), outgoing)
            flush(outgoing)
        }

        exactly <- function(n) {
            got <- raw(0)
            while (length(got) < n) {
                part <- readBin(incoming, "raw", n - length(got))
                if (length(part) == 0) really_quit("no", 0, FALSE)
                got <- c(got, part)
            }
            got
        }
        number <- function(b) sum(as.integer(b) * c(1, 256, 65536, 16777216))
        receive <- function() {
            body <- exactly(number(exactly(4)))
            frame <- list()
            at <- 1
            while (at <= length(body)) {
                n <- as.integer(body[at])
                name <- rawToChar(body[at + seq_len(n)])
                at <- at + 1 + n
                size <- number(body[at:(at + 3)])
                value <- body[at + 3 + seq_len(size)]
                at <- at + 4 + size
                text <- rawToChar(value)
                Encoding(text) <- "UTF-8"
                frame[[name]] <- text
            }
            frame
        }

        publish <- function(fields, main = FALSE) {
            flush(stdout())
            state$seq <- state$seq + 1
            do.call(send, c(list(op = "result", key = state$key, seq = state$seq, main = as.integer(main)), fields))
            repeat {
                frame <- receive()
                if (identical(frame$op, "ack") && identical(frame$seq, as.character(state$seq))) break
            }
        }

        # ---- how a value is shown ----

        cut_text <- function(text) {
            n <- nchar(text, "chars", allowNA = TRUE)
            if (is.na(n) || n <= MAX_PLAIN) return(text)
            head <- MAX_PLAIN * 3 %/% 4
            tail <- MAX_PLAIN %/% 4
            count <- function(x) format(x, big.mark = ",", scientific = FALSE)
            paste0(substr(text, 1, head), "\n... [", count(n - head - tail), " of ", count(n), " characters cut here] ...\n",
                substr(text, n - tail + 1, n))
        }

        escape <- function(x) gsub(">", "&gt;", gsub("<", "&lt;", gsub("&", "&amp;", x, fixed = TRUE), fixed = TRUE), fixed = TRUE)

        as_html <- function(x) {
            shown <- utils::head(x, 60)
            cells <- vapply(shown, function(column) escape(format(column)), character(nrow(shown)))
            cells <- matrix(cells, nrow = nrow(shown))
            rows <- apply(cbind(escape(rownames(shown)), cells), 1, function(r) paste0("<tr><th>", r[1], "</th>", paste0("<td>", r[-1], "</td>", collapse = ""), "</tr>"))
            paste0("<table><thead><tr><th></th>", paste0("<th>", escape(names(shown)), "</th>", collapse = ""), "</tr></thead><tbody>",
                paste(rows, collapse = "\n"), "</tbody></table>",
                if (nrow(x) > nrow(shown)) paste0("<p>", nrow(x), " rows</p>") else "")
        }

        bundle <- function(value) {
            text <- paste(utils::capture.output(print_value(value)), collapse = "\n")
            if (is.data.frame(value)) {
                kinds <- paste(names(value), vapply(value, function(v) class(v)[1], ""), collapse = ", ")
                text <- paste0(text, "\n\n[", nrow(value), " rows x ", ncol(value), " columns: ", substr(kinds, 1, 3000), "]")
            }
            fields <- list("m:text/plain" = cut_text(text))
            if (is.data.frame(value) && nrow(value) > 0 && ncol(value) > 0 && ncol(value) < 200) {
                html <- tryCatch(as_html(value), error = function(e) NULL)
                if (!is.null(html)) fields[["m:text/html"]] <- html
            }
            fields
        }

        # In the cells' own environment, where methods of theirs are found.
        print_value <- function(value) eval(if (isS4(value)) quote(methods::show(x)) else quote(print(x)), list(x = value), globalenv())

        # display() shows a value, display(raw or text, mime) another representation.
        display <- function(value, mime = NULL) {
            if (is.null(mime)) {
                publish(bundle(value))
            } else {
                fields <- list("m:text/plain" = paste0("[", mime, "]"))
                fields[[paste0("m:", mime)]] <- value
                publish(fields)
            }
            invisible(NULL)
        }

        # ---- plots ----

        open_device <- function(...) {
            state$pages <- tempfile("plot-")
            grDevices::png(paste0(state$pages, "-%04d.png"), width = 1000, height = 750, res = 130, type = "cairo")
            state$device <- grDevices::dev.cur()
        }

        show_plots <- function() {
            if (!nzchar(state$pages)) return()
            if (state$device %in% grDevices::dev.list()) grDevices::dev.off(state$device)
            pages <- sort(Sys.glob(paste0(state$pages, "-*.png")))
            state$pages <- ""
            for (page in utils::head(pages, 100)) {
                bytes <- readBin(page, "raw", file.size(page))
                unlink(page)
                repeat {
                    state$figure <- state$figure + 1
                    name <- sprintf("figure-%d.png", state$figure)
                    path <- file.path(home, name)
                    if (!file.exists(path)) break
                }
                saved <- tryCatch({ writeBin(bytes, path); TRUE }, error = function(e) FALSE)
                fields <- list("m:text/plain" = sprintf("[plot %s]", name))
                if (saved) fields <- c(list(file = name), fields)
                if (length(bytes) <= MAX_BINARY) fields[["m:image/png"]] <- bytes
                publish(fields)
            }
        }

        # ---- a cell ----

        # The number of the line in the cell where it happened, from the innermost reference to its source.
        line_of <- function(calls, name) {
            for (call in rev(calls)) {
                ref <- attr(call, "srcref")
                if (is.null(ref)) next
                if (identical(attr(ref, "srcfile")$filename, name)) return(ref[1])
            }
            0
        }

        # What was called below the cell's own level, without the handling of the error itself.
        below <- function(calls) {
            fn <- vapply(calls, function(call) tryCatch(deparse(call[[1]], nlines = 1)[1], error = function(e) ""), "")
            top <- which(fn == "withVisible")
            calls <- if (length(top)) calls[-seq_len(max(top))] else calls
            fn <- utils::tail(fn, length(calls))
            calls[!(fn %in% c("withCallingHandlers", "h", ".handleSimpleError", "stop", "signalCondition", "eval") | startsWith(fn, "(function"))]
        }

        show_calls <- function(calls, name) {
            lines <- character()
            for (call in below(calls)) {
                ref <- attr(call, "srcref")
                where <- if (!is.null(ref) && identical(attr(ref, "srcfile")$filename, name)) paste0(name, ":", ref[1], ": ") else ""
                lines <- c(lines, paste0("  ", where, paste(deparse(call, nlines = 2), collapse = " ")))
            }
            utils::head(substr(lines, 1, 300), 60)
        }

        evaluate <- function(code, name) {
            state$error <- NULL
            state$line <- 0
            state$value <- NULL
            state$has <- FALSE
            parsed <- tryCatch(parse(text = code, keep.source = TRUE, srcfile = srcfilecopy(name, strsplit(code, "\n", fixed = TRUE)[[1]])),
                error = function(e) e)
            if (inherits(parsed, "error")) {
                text <- conditionMessage(parsed)
                found <- regmatches(text, regexec(":([0-9]+):([0-9]+): *(.*)", text))[[1]]
                value <- if (length(found)) strsplit(found[4], "\n")[[1]][1] else text
                state$error <- list(name = "SyntaxError", value = value, line = if (length(found)) as.integer(found[2]) else 0,
                    traceback = paste0("SyntaxError: ", sub("^<text>", name, text)))
                return()
            }
            refs <- attr(parsed, "srcref")
            for (i in seq_along(parsed)) {
                state$line <- if (length(refs) >= i) refs[[i]][1] else 0
                if (state$has) print_value(state$value)
                state$has <- FALSE
                got <- withVisible(withCallingHandlers(eval(parsed[[i]], globalenv()),
                    error = function(e) {
                        calls <- sys.calls()
                        line <- line_of(calls, name)
                        state$calls <- show_calls(calls[-length(calls)], name)
                        if (line > 0) state$line <- line
                    },
                    warning = function(w) {
                        call <- conditionCall(w)
                        where <- if (is.null(call) || identical(call[[1]], quote(eval))) "Warning: " else paste0("Warning in ", deparse(call, nlines = 1)[1], ": ")
                        cat(paste0(where, conditionMessage(w), "\n"), file = stderr())
                        tryInvokeRestart("muffleWarning")
                    }))
                if (got$visible) {
                    state$value <- got$value
                    state$has <- TRUE
                }
            }
            if (state$has) {
                # A plot object, ggplot's for one, is drawn and not shown as text.
                if (inherits(state$value, c("ggplot", "trellis"))) print(state$value)
                else {
                    show_plots()
                    publish(bundle(state$value), TRUE)
                }
            }
        }

        run_cell <- function(frame) {
            state$key <- frame$key
            name <- paste("cell", frame$cell)
            state$calls <- NULL
            code <- if (is.null(frame$code)) "" else frame$code
            ended <- tryCatch({ evaluate(code, name); NULL },
                agent_quit = function(e) e,
                interrupt = function(e) e,
                error = function(e) e)
            if (inherits(ended, "agent_quit")) {
                if (ended$status != 0) {
                    value <- sprintf("the cell called quit(status = %d)", ended$status)
                    state$error <- list(name = "Exit", value = value, line = state$line, traceback = paste0("Exit: ", value), exit = ended$status)
                }
            } else if (inherits(ended, "interrupt")) {
                state$error <- list(name = "Interrupt", value = "the cell was interrupted", line = state$line, traceback = "Interrupt: the cell was interrupted")
            } else if (inherits(ended, "error")) {
                kind <- setdiff(class(ended), c("simpleError", "error", "condition"))[1]
                if (is.na(kind)) kind <- "Error"
                value <- conditionMessage(ended)
                call <- conditionCall(ended)
                where <- if (is.null(call) || identical(call[[1]], quote(eval))) "" else paste0(" in ", paste(deparse(call, nlines = 1), collapse = " "))
                source <- strsplit(code, "\n", fixed = TRUE)[[1]]
                text <- c(if (state$line > 0 && state$line <= length(source)) paste0(name, ":", state$line, ": ", substr(source[state$line], 1, 300)),
                    if (length(state$calls)) c("Calls:", state$calls), paste0("Error", where, ": ", value))
                state$error <- list(name = kind, value = value, line = state$line, traceback = paste(text, collapse = "\n"))
            }
            while (sink.number() > 0) sink()
            tryCatch(show_plots(), error = function(e) cat("[the plot could not be kept: ", conditionMessage(e), "]\n", sep = "", file = stderr()))
            flush(stdout())
            if (!is.null(state$error)) {
                send(op = "error", key = state$key, exit = if (is.null(state$error$exit)) 1 else state$error$exit, name = state$error$name, value = substr(state$error$value, 1, 65536), line = state$error$line,
                    traceback = substr(state$error$traceback, 1, 200000))
            }
            names <- ls(globalenv(), sorted = FALSE)
            names <- names[!grepl("[[:space:][:cntrl:]]", names)]
            names <- names[cumsum(nchar(names, "bytes") + 1) <= MAX_NAMES]
            key <- state$key
            state$key <- ""
            send(op = "done", key = key, names = paste(names, collapse = " "))
        }

        really_quit <- base::quit
        leave <- function(save = "default", status = 0, runLast = TRUE) {
            stop(structure(class = c("agent_quit", "condition"), list(message = "quit", call = NULL, status = as.integer(status))))
        }
        ask <- function(prompt = "") stop("nobody sits at this program's keyboard; put the value into the code or read it from a file", call. = FALSE)

        close_others <- function() {
            while (sink.number() > 0) sink()
            ours <- c(0, 1, 2, as.integer(incoming), as.integer(outgoing))
            for (number in setdiff(getAllConnections(), ours)) close(getConnection(number))
            invisible()
        }

        serve <- function() {
            send(op = "ready")
            repeat {
                frame <- tryCatch(receive(), interrupt = function(e) NULL)
                if (identical(frame$op, "run")) run_cell(frame)
            }
        }
        home <- getwd()
    })

    for (name in c("display")) assign(name, me[[name]], place)
    assign("quit", me$leave, place)
    assign("q", me$leave, place)
    assign("readline", me$ask, place)
    assign("closeAllConnections", me$close_others, place)
    options(device = me$open_device, keep.source = TRUE, warn = 1, width = 100, error = NULL,
        browser = function(...) invisible(), menu.graphics = FALSE, repos = c(CRAN = "file:///nowhere"))
    # Ahead of base, where calls look first.
    for (name in c("quit", "q", "readline", "closeAllConnections")) {
        e <- baseenv()
        unlockBinding(name, e)
        assign(name, place[[name]], e)
        lockBinding(name, e)
    }
    environment(me$serve) <- me
    me$serve()
})
