/* waiter HOST PORT [nodump]: an ordinary program that opens a connection and waits, without any timeout of its own.
   Reads commands from its standard input: options, send, half (shutdown for sending), close. Prints what its own
   getsockopt says, and the error by which it learns that the connection is gone. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int get(int fd, int level, int name) {
  int value = -999;
  socklen_t size = sizeof value;
  getsockopt(fd, level, name, &value, &size);
  return value;
}

int main(int argc, char **argv) {
  struct sockaddr_storage to = {0}, own = {0};
  socklen_t size = sizeof own;
  int is6 = strchr(argv[1], ':') != NULL;
  if (is6) {
    struct sockaddr_in6 *a = (struct sockaddr_in6 *)&to;
    a->sin6_family = AF_INET6, a->sin6_port = htons(atoi(argv[2])), inet_pton(AF_INET6, argv[1], &a->sin6_addr);
  } else {
    struct sockaddr_in *a = (struct sockaddr_in *)&to;
    a->sin_family = AF_INET, a->sin_port = htons(atoi(argv[2])), inet_pton(AF_INET, argv[1], &a->sin_addr);
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  int fd = socket(to.ss_family, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)&to, is6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)) < 0) return 1;
  getsockname(fd, (struct sockaddr *)&own, &size);
  /* The port is at the same place in both. */
  printf("connected %d %d\n", ntohs(((struct sockaddr_in *)&own)->sin_port), fd);
  if (argc > 3 && strcmp(argv[3], "nodump") == 0) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  int isOpen = 1;
  for (;;) {
    struct pollfd waits[2] = {{0, POLLIN, 0}, {isOpen ? fd : -1, POLLIN, 0}};
    poll(waits, 2, -1);
    char line[64];
    if (waits[1].revents) {
      ssize_t got = read(fd, line, sizeof line);
      if (got > 0) continue;
      printf("ended %s\n", got == 0 ? "EOF" : errno == ETIMEDOUT ? "ETIMEDOUT" : strerror(errno));
      isOpen = 0;
    }
    if (!waits[0].revents) continue;
    if (!fgets(line, sizeof line, stdin)) return 0;
    if (!strcmp(line, "options\n"))
      printf("options %d %d %d %d %d %d %d\n", get(fd, SOL_SOCKET, SO_KEEPALIVE), get(fd, IPPROTO_TCP, TCP_KEEPIDLE),
             get(fd, IPPROTO_TCP, TCP_KEEPINTVL), get(fd, IPPROTO_TCP, TCP_KEEPCNT), get(fd, IPPROTO_TCP, TCP_LINGER2),
             get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), get(fd, IPPROTO_TCP, TCP_SYNCNT));
    else if (!strcmp(line, "send\n")) printf("sent %d\n", (int)send(fd, "x", 1, MSG_NOSIGNAL));
    else if (!strcmp(line, "half\n")) printf("half %d\n", shutdown(fd, SHUT_WR));
    else if (!strcmp(line, "close\n")) isOpen = 0, printf("closed %d\n", close(fd));
  }
}
