#include "top/screen.h"

#include <locale.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char keys[] = "q quits   c by calls   b by bytes   space looks now";

static void draw(const struct look *look, enum order order)
{
    char *text = NULL, *rest;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return;
    text_print(out, look, order, LINES > 1 ? (unsigned)LINES - 1 : 1);
    fclose(out);
    erase();
    int row = 0;
    for (char *line = text; row < LINES - 1 && (rest = strchr(line, '\n')); line = rest + 1) {
        *rest = '\0';
        attrset(strstr(line, "calls/s ") ? A_BOLD : A_NORMAL); /* the heads of the tables */
        mvaddnstr(row++, 0, line, COLS);
    }
    attrset(A_NORMAL);
    mvaddnstr(LINES - 1, 0, keys, COLS);
    refresh();
    free(text);
}

/* Draws until the next look is due. False: the user quits. */
static bool wait_and_draw(const struct look *look, double seconds, enum order *order)
{
    timeout((int)(seconds * 1000));
    for (;;) {
        draw(look, *order);
        switch (getch()) {
        case 'q':
            return false;
        case 'c':
            *order = ORDER_CALLS;
            break;
        case 'b':
            *order = ORDER_BYTES;
            break;
        case KEY_RESIZE:
            break;
        default:
            return true;
        }
    }
}

bool screen_show(pid_t pid, double seconds, enum order order, char error[LOOK_ERROR_SIZE])
{
    static struct look looks[2];
    const struct look *before = NULL;
    unsigned turn = 0;
    if (!look_take(&looks[0], NULL, pid, error)) /* before the screen is cleared */
        return false;
    setlocale(LC_CTYPE, "");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        snprintf(error, LOOK_ERROR_SIZE, "standard %s is no terminal; --once and --json need none",
                 isatty(STDIN_FILENO) ? "output" : "input");
        return false;
    }
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (!screen) {
        snprintf(error, LOOK_ERROR_SIZE,
                 "there is no terminal that ncurses knows (TERM is '%s'); --once and --json need "
                 "none",
                 getenv("TERM") ? getenv("TERM") : "");
        return false;
    }
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    bool seen;
    while ((seen = look_take(&looks[turn], before, pid, error)) &&
           wait_and_draw(&looks[turn], before ? seconds : 0.2, &order)) {
        before = &looks[turn];
        turn = 1 - turn;
    }
    endwin();
    delscreen(screen);
    return seen;
}
