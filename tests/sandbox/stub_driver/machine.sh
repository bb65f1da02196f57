#!/bin/sh
# A machine with a GPU, as far as it can be pretended: sh machine.sh STUBS COMMAND..., as root in a
# mount namespace of its own (unshare --mount). STUBS holds the libraries; BROKEN=1 breaks CUDA;
# COVERED=1 mounts over a part of /proc, as NVIDIA's container toolkit does; SHUT=1 locks a node.
set -e
stubs=$1
shift
mount --make-rprivate /
new=$(mktemp -d)
mount -t tmpfs -o mode=755 tmpfs "$new"
for name in null zero full random urandom tty; do
    : > "$new/$name"
    mount --bind "/dev/$name" "$new/$name"
done
for name in shm pts; do
    mkdir "$new/$name"
    mount --bind "/dev/$name" "$new/$name"
done
ln -s /proc/self/fd "$new/fd"
for name in nvidia0 nvidiactl ${BROKEN:+nvidia-broken}; do
    : > "$new/$name"
    chmod 666 "$new/$name"
done
[ -z "$SHUT" ] || chmod 600 "$new/nvidia0"
mount --move "$new" /dev
if [ "$COVERED" ]; then
    mount -t tmpfs tmpfs /proc/driver
    mkdir /proc/driver/nvidia
    mount -t tmpfs tmpfs /proc/driver/nvidia
fi
export LD_LIBRARY_PATH="$stubs"
exec "$@"
