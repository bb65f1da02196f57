# The harness in a container, for the folder that it is started in:
#
#   docker build -t unlearning .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" \
#       --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
#       --security-opt systempaths=unconfined unlearning evaluate
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
# Ends as it does at Ctrl-C: process 1 of a container does not heed the usual SIGTERM.
STOPSIGNAL SIGINT
ENTRYPOINT ["harness"]
CMD ["evaluate"]
