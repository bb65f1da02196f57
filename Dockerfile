# The harness in a container. It works in the mounted folder, as the user who starts it.
#
#   docker build -t unlearning .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" \
#       --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
#       --security-opt systempaths=unconfined unlearning evaluate --require-isolation full
#
# With these security options the sandbox reaches its level `full`; without them it finds
# `partial` and says so on every row. Without --user it runs as root, and `full` needs
# --cap-add SYS_ADMIN too.
# PyTorch's wheels hold CUDA and run on the CPU too, so one image serves both. On a machine with
# NVIDIA's container toolkit, add --gpus all. Neither that nor Docker itself has been tried: the image
# was built and run with podman and Docker's runtime runc, on a base of the same name that mmdebstrap
# made, because none could be pulled.
FROM debian:trixie-slim

RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap python3-venv \
    && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/harness/bin:$PATH
COPY requirements.lock /opt/
RUN python3 -m venv /opt/harness \
    && pip install --no-cache-dir --require-hashes --requirement /opt/requirements.lock
COPY . /opt/source
RUN pip install --no-cache-dir --no-deps /opt/source
WORKDIR /work
# Stop as at Ctrl-C: process 1 of a container ignores the usual SIGTERM.
STOPSIGNAL SIGINT
ENTRYPOINT ["harness"]
CMD ["evaluate"]
