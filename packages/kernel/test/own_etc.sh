# own_etc.sh ROOT PROGRAM…: inside private namespaces (unshare --mount), puts the folders of settings below ROOT where the
# host has its own, and becomes PROGRAM. As process 1 of a new PID namespace it mounts a /proc for it too, and says first
# which process it is outside.
set -e
root=$1
shift
mount --make-rprivate /
if [ $$ = 1 ]; then
  read -r pid _ </proc/self/stat
  mount -t proc proc /proc
  echo "$pid"
fi
mkdir -p "$root/etc/sysctl.d" "$root/run/sysctl.d" "$root/usr/lib/sysctl.d"
mount -t tmpfs none /run
mkdir /run/etc
cp -a /etc/. /run/etc/
rm -rf /run/etc/sysctl.d /run/etc/sysctl.conf
cp -a "$root/etc/." /run/etc/
mount --bind /run/etc /etc
cp -a "$root/run/." /run/
if [ -d "$root/usr/local/lib" ]; then mount --bind "$root/usr/local/lib" /usr/local/lib; fi
for folder in /usr/lib/sysctl.d /lib/sysctl.d; do
  if [ -d "$folder" ]; then mount --bind "$root/usr/lib/sysctl.d" "$folder"; fi
done
exec "$@"
