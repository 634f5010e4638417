/*
 * What libc keeps about users, hosts, files, the environment and other processes. Nothing here
 * needs a network.
 */
#define _GNU_SOURCE
#include <aio.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <grp.h>
#include <mntent.h>
#include <netdb.h>
#include <nl_types.h>
#include <pwd.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "keeps.h"

/* ---- names ----------------------------------------------------------------------------------- */

static struct addrinfo *addresses;

static void getaddrinfo_first(void)
{
    struct addrinfo wanted = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    EXPECT(getaddrinfo("127.0.0.1", "80", &wanted, &addresses) == 0);
}

static void getaddrinfo_again(void)
{
    char host[50] = "", service[50] = "";
    EXPECT(addresses->ai_family == AF_INET && addresses->ai_next == NULL);
    EXPECT(getnameinfo(addresses->ai_addr, addresses->ai_addrlen, host, sizeof host, service,
                       sizeof service, NI_NUMERICHOST | NI_NUMERICSERV) == 0);
    EXPECT(strcmp(host, "127.0.0.1") == 0 && strcmp(service, "80") == 0);
    freeaddrinfo(addresses);
    addresses = NULL;
    if (getaddrinfo("localhost", NULL, NULL, &addresses) == 0)
        freeaddrinfo(addresses);
}

/* Whether the system knows a name is its own business: the outputs are compared. */
static void localhost_first(void)
{
    struct addrinfo *found = NULL;
    if (getaddrinfo("localhost", NULL, NULL, &found) == 0)
        freeaddrinfo(found);
}

static void localhost_again(void)
{
    struct addrinfo *found = NULL;
    const struct hostent *host = gethostbyname("localhost");
    puts(host ? host->h_name : "no host");
    puts(getaddrinfo("localhost", NULL, NULL, &found) == 0 ? "found" : "not found");
    if (found)
        freeaddrinfo(found);
}

static void gethostbyname_first(void)
{
    EXPECT(gethostbyname("127.0.0.1") != NULL);
}

static void gethostbyname_again(void)
{
    const struct hostent *host = gethostbyname("127.0.0.2");
    EXPECT(host && host->h_length == 4 && host->h_addr_list[0][3] == 2);
    sethostent(1);
    puts((host = gethostent()) ? host->h_name : "no host");
    endhostent();
}

static void getpwnam_first(void)
{
    EXPECT(getpwnam("root") != NULL && getgrnam("root") != NULL);
}

static void getpwnam_again(void)
{
    gid_t groups[10];
    int count = 10;
    const struct passwd *user = getpwnam("root");
    EXPECT(user && user->pw_uid == 0 && strcmp(user->pw_name, "root") == 0);
    const struct group *group = getgrnam("root");
    EXPECT(group && group->gr_gid == 0 && strcmp(group->gr_name, "root") == 0);
    EXPECT(getgrouplist("root", 0, groups, &count) >= 1 && groups[0] == 0);
    EXPECT(getpwuid(0) != NULL && getgrgid(0) != NULL && getpwnam("no such user") == NULL);
}

/* A walk through a database, begun in the scope. */
static void getpwent_first(void)
{
    setpwent();
    EXPECT(getpwent() != NULL);
    puts(getservbyname("http", "tcp") ? "http" : "no http");
    puts(getprotobyname("tcp") ? "tcp" : "no tcp");
}

static void getpwent_again(void)
{
    const struct passwd *user;
    while ((user = getpwent()) != NULL)
        puts(user->pw_name);
    endpwent();
    const struct servent *service = getservbyport(htons(80), "tcp");
    puts(service ? service->s_name : "no http");
    const struct protoent *protocol = getprotobynumber(6);
    puts(protocol ? protocol->p_name : "no tcp");
}

static void getusershell_first(void)
{
    EXPECT(getusershell() != NULL);
}

static void getusershell_again(void)
{
    const char *shell;
    while ((shell = getusershell()) != NULL)
        puts(shell);
    setusershell();
    EXPECT(getusershell() != NULL);
    endusershell();
}

static FILE *mounts;

static void getmntent_first(void)
{
    mounts = setmntent("/proc/self/mounts", "r");
    EXPECT(mounts && getmntent(mounts) != NULL);
}

static void getmntent_again(void)
{
    while (getmntent(mounts))
        continue;
    EXPECT(endmntent(mounts) == 1);
}

/* ---- environment ----------------------------------------------------------------------------- */

static char assignment[] = "KEEPS_PUT=in the scope";

static void setenv_first(void)
{
    EXPECT(setenv("KEEPS_SET", "in the scope", 1) == 0 && putenv(assignment) == 0);
    EXPECT(setenv("KEEPS_GONE", "soon", 1) == 0 && unsetenv("KEEPS_GONE") == 0);
}

static void setenv_again(void)
{
    char name[20];
    EXPECT(strcmp(getenv("KEEPS_SET"), "in the scope") == 0 && getenv("KEEPS_GONE") == NULL);
    EXPECT(setenv("KEEPS_SET", "a longer text after the scope", 1) == 0);
    EXPECT(setenv("KEEPS_SET", "in the scope", 1) == 0);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "KEEPS_%d", i);
        EXPECT(setenv(name, name, 1) == 0);
    }
    EXPECT(strcmp(getenv("KEEPS_99"), "KEEPS_99") == 0 && unsetenv("KEEPS_SET") == 0);
    EXPECT(strcmp(getenv("KEEPS_PUT"), "in the scope") == 0 && getenv("KEEPS_DIR") != NULL);
    EXPECT(clearenv() == 0 && setenv("KEEPS_SET", "once more", 1) == 0);
}

/* ---- files ----------------------------------------------------------------------------------- */

static DIR *directory;

static void opendir_first(void)
{
    directory = opendir(keeps_path("tree"));
    EXPECT(directory && readdir(directory) != NULL);
}

static void opendir_again(void)
{
    int count = 0;
    rewinddir(directory);
    while (readdir(directory))
        count++;
    EXPECT(count == 5 && closedir(directory) == 0);
}

static struct dirent **names;
static int names_count;

static int is_no_dot(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void scandir_first(void)
{
    names_count = scandir(keeps_path("tree"), &names, is_no_dot, alphasort);
    EXPECT(names_count == 3);
}

static void scandir_again(void)
{
    EXPECT(strcmp(names[0]->d_name, "four") == 0 && strcmp(names[2]->d_name, "two") == 0);
    for (int i = 0; i < names_count; i++)
        free(names[i]);
    free(names);
}

static int walked;

static int count_entry(const char *path, const struct stat *status, int flag, struct FTW *where)
{
    (void)path, (void)status, (void)flag, (void)where;
    walked++;
    return 0;
}

static int count_file(const char *path, const struct stat *status, int flag)
{
    (void)path, (void)status, (void)flag;
    walked++;
    return 0;
}

static void nftw_first(void)
{
    EXPECT(nftw(keeps_path("tree"), count_entry, 2, FTW_PHYS | FTW_MOUNT) == 0);
}

static void nftw_again(void)
{
    EXPECT(walked == 4 && ftw(keeps_path("tree"), count_file, 4) == 0 && walked == 8);
}

static FTS *walk;

static void fts_first(void)
{
    char path[PATH_MAX];
    char *const roots[] = {strcpy(path, keeps_path("tree")), NULL};
    walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    EXPECT(walk && fts_read(walk) && fts_read(walk));
}

static void fts_again(void)
{
    int files = 1; /* one was read in the scope */
    for (const FTSENT *entry; (entry = fts_read(walk)) != NULL;)
        files += entry->fts_info == FTS_F;
    EXPECT(files == 3 && fts_close(walk) == 0);
}

static char *here[3], *real[2];

static void getcwd_first(void)
{
    for (int i = 0; i < 3; i++)
        here[i] = i < 2 ? getcwd(NULL, 0) : get_current_dir_name();
    real[0] = realpath(keeps_path("tree/../tree/two"), NULL);
    real[1] = canonicalize_file_name("/proc/../");
    EXPECT(here[0] && here[1] && here[2] && real[0] && real[1]);
    free(here[1]);
}

static void getcwd_again(void)
{
    struct stat a, b;
    EXPECT(stat(here[0], &a) == 0 && stat(".", &b) == 0 && a.st_ino == b.st_ino);
    EXPECT(here[2][0] == '/' && strcmp(strrchr(real[0], '/'), "/two") == 0);
    EXPECT(strcmp(real[1], "/") == 0);
    free(here[0]);
    here[2] = realloc(here[2], 10000);
    EXPECT(here[2] && here[2][0] == '/');
    free(here[2]);
    free(real[0]);
}

static char *unused_name;

static void tempnam_first(void)
{
    /* The linker warns of its name. */
    char *(*function)(const char *, const char *) = dlsym(RTLD_DEFAULT, "tempnam");
    unused_name = function(getenv("KEEPS_DIR"), "keeps");
}

static void tempnam_again(void)
{
    EXPECT(unused_name && strstr(unused_name, "/keeps") != NULL);
    free(unused_name);
}

static nl_catd catalogue;

static void catopen_first(void)
{
    catalogue = catopen("no such catalogue", 0);
    EXPECT(catalogue == (nl_catd)-1);
}

static void catopen_again(void)
{
    EXPECT(setenv("NLSPATH", "/nonexistent/%N:/nonexistent/%L/%N", 1) == 0);
    EXPECT(catopen("no such catalogue", NL_CAT_LOCALE) == (nl_catd)-1);
}

/* ---- processes, signals, semaphores ---------------------------------------------------------- */

static posix_spawn_file_actions_t actions;

static void spawn(const char *text)
{
    char *const command[] = {"sh", "-c", "echo spawned, written to 5 >&5", NULL};
    extern char **environ;
    pid_t child;
    int status = 0;
    EXPECT(posix_spawnp(&child, "sh", &actions, NULL, command, environ) == 0);
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    FILE *file = fopen(keeps_path(text), "r");
    char line[50] = "";
    EXPECT(file && fgets(line, sizeof line, file) && fclose(file) == 0);
    EXPECT(strcmp(line, "spawned, written to 5\n") == 0);
    unlink(keeps_path(text));
}

static void posix_spawn_first(void)
{
    EXPECT(posix_spawn_file_actions_init(&actions) == 0);
    EXPECT(posix_spawn_file_actions_addopen(&actions, 4, keeps_path("spawned"),
                                            O_WRONLY | O_CREAT | O_TRUNC, 0644) == 0);
    EXPECT(posix_spawn_file_actions_adddup2(&actions, 4, 5) == 0);
}

static void posix_spawn_again(void)
{
    spawn("spawned");
    for (int i = 10; i < 40; i++)
        EXPECT(posix_spawn_file_actions_addclose(&actions, i) == 0);
    spawn("spawned");
    EXPECT(posix_spawn_file_actions_destroy(&actions) == 0);
}

static void system_first(void)
{
    EXPECT(system("exit 3") >> 8 == 3);
}

static void system_again(void)
{
    EXPECT(system("exit 4") >> 8 == 4);
}

/* LOG_PERROR writes to descriptor 2, which is a file meanwhile. */
static void expect_logged(const char *text)
{
    char got[200] = "";
    int saved = dup(2);
    int file = open(keeps_path("log"), O_RDWR | O_CREAT | O_TRUNC, 0644);
    dup2(file, 2);
    syslog(LOG_DEBUG, "%s %0300d", text, 0);
    dup2(saved, 2);
    EXPECT(pread(file, got, sizeof got - 1, 0) > 0 && strstr(got, text));
    close(file);
    close(saved);
}

static void syslog_first(void)
{
    openlog("keeps", LOG_PERROR | LOG_NDELAY, LOG_USER);
    expect_logged("keeps: logged in the scope");
}

static void syslog_again(void)
{
    expect_logged("keeps: logged after it");
    closelog();
    expect_logged(": logged once more");
    closelog();
}

/* Semaphores of one name are one in the process: libc keeps a tree of them. */
static sem_t *semaphore;
static char semaphore_name[30];

static void sem_open_first(void)
{
    snprintf(semaphore_name, sizeof semaphore_name, "/keeps-%d", (int)getpid());
    semaphore = sem_open(semaphore_name, O_CREAT | O_EXCL, 0600, 1);
    EXPECT(semaphore != SEM_FAILED || errno == ENOSYS || errno == EACCES || errno == ENOENT);
}

static void sem_open_again(void)
{
    if (semaphore == SEM_FAILED) {
        puts("no semaphores here");
        return;
    }
    sem_t *second = sem_open(semaphore_name, 0);
    EXPECT(second == semaphore && sem_trywait(second) == 0 && sem_trywait(semaphore) == -1);
    EXPECT(sem_close(second) == 0 && sem_unlink(semaphore_name) == 0);
    EXPECT(sem_post(semaphore) == 0 && sem_close(semaphore) == 0);
}

/* A thread of libc's calls the function, with memory that libc keeps until it has. */
static timer_t timer, second_timer;
static sem_t fired;

static void on_timer(union sigval value)
{
    EXPECT(value.sival_int == 4711);
    sem_post(&fired);
}

static timer_t new_timer(void)
{
    timer_t made = NULL;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 4711};
    event.sigev_notify_function = on_timer;
    EXPECT(timer_create(CLOCK_MONOTONIC, &event, &made) == 0);
    return made;
}

static void fire(timer_t which)
{
    struct itimerspec soon = {.it_value.tv_nsec = 1};
    EXPECT(timer_settime(which, 0, &soon, NULL) == 0 && sem_wait(&fired) == 0);
}

static void timer_create_first(void)
{
    sem_init(&fired, 0, 0);
    timer = new_timer();
    fire(timer);
}

static void timer_create_again(void)
{
    fire(timer);
    second_timer = new_timer();
    EXPECT(timer_delete(timer) == 0);
    fire(second_timer);
    EXPECT(timer_delete(second_timer) == 0);
}

/* Requests are kept in pools and served by threads. */
static void read_asynchronously(int count)
{
    static struct aiocb requests[40];
    static char texts[40][8];
    int file = open(keeps_path("lines"), O_RDONLY);
    struct aiocb *list[40];
    for (int i = 0; i < count; i++) {
        requests[i] = (struct aiocb){
            .aio_fildes = file, .aio_buf = texts[i], .aio_nbytes = 6, .aio_lio_opcode = LIO_READ};
        memset(texts[i], 0, sizeof texts[i]);
        list[i] = &requests[i];
    }
    EXPECT(lio_listio(LIO_WAIT, list, count, NULL) == 0);
    for (int i = 0; i < count; i++)
        EXPECT(aio_return(&requests[i]) == 6 && strcmp(texts[i], "line 1") == 0);
    close(file);
}

static void aio_first(void)
{
    read_asynchronously(3);
}

static void aio_again(void)
{
    read_asynchronously(40);
}

static struct gaicb lookup;

static void getaddrinfo_a_first(void)
{
    static const struct addrinfo wanted = {.ai_flags = AI_NUMERICHOST, .ai_family = AF_INET};
    struct gaicb *list[] = {&lookup};
    lookup.ar_name = "127.0.0.1";
    lookup.ar_request = &wanted;
    EXPECT(getaddrinfo_a(GAI_WAIT, list, 1, NULL) == 0);
}

static void getaddrinfo_a_again(void)
{
    struct gaicb *list[] = {&lookup};
    EXPECT(gai_error(&lookup) == 0 && lookup.ar_result->ai_family == AF_INET);
    freeaddrinfo(lookup.ar_result);
    lookup.ar_name = "127.0.0.2";
    EXPECT(getaddrinfo_a(GAI_WAIT, list, 1, NULL) == 0 && gai_error(&lookup) == 0);
    freeaddrinfo(lookup.ar_result);
}

static const struct keep cases[] = {
    {"setenv", setenv_first, setenv_again}, /* clears the environment at last */
    {"getaddrinfo", getaddrinfo_first, getaddrinfo_again},
    {"localhost", localhost_first, localhost_again},
    {"gethostbyname", gethostbyname_first, gethostbyname_again},
    {"getpwnam", getpwnam_first, getpwnam_again},
    {"getpwent", getpwent_first, getpwent_again},
    {"getusershell", getusershell_first, getusershell_again},
    {"getmntent", getmntent_first, getmntent_again},
    {"opendir", opendir_first, opendir_again},
    {"scandir", scandir_first, scandir_again},
    {"nftw", nftw_first, nftw_again},
    {"fts", fts_first, fts_again},
    {"getcwd", getcwd_first, getcwd_again},
    {"tempnam", tempnam_first, tempnam_again},
    {"catopen", catopen_first, catopen_again},
    {"posix_spawn", posix_spawn_first, posix_spawn_again},
    {"system", system_first, system_again},
    {"syslog", syslog_first, syslog_again},
    {"sem_open", sem_open_first, sem_open_again},
    {"timer_create", timer_create_first, timer_create_again},
    {"aio", aio_first, aio_again},
    {"getaddrinfo_a", getaddrinfo_a_first, getaddrinfo_a_again},
};
KEEPS_MAIN(cases)
