# One node of a ring, run from its source.
#
#   docker build -t mydht .
#   docker run --read-only -p 50140:50140 -v mydht:/data \
#     -e MYDHT_ADVERTISE=db1.example:50140 -v ./ring.secret:/run/secrets/ring:ro mydht
#
# MYDHT_ADVERTISE is the name that the other nodes reach it by; all nodes of a ring share the secret (16 characters or
# more, readable for user 65532). Further settings: docker run --rm mydht node --help

FROM docker.io/denoland/deno:2.9.6 AS build
WORKDIR /app
COPY deno.json deno.lock ./
COPY cli.ts main.ts ./
COPY lib lib
COPY routes routes
# All packages and compiled modules, as the lock file names them: nothing is fetched when a container starts.
RUN deno cache --frozen cli.ts lib/cli/healthcheck.ts && mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /usr/bin/deno /usr/bin/deno
COPY --from=build /deno-dir /deno-dir
COPY --from=build /app /app
COPY --from=build --chown=65532:65532 /data /data
ENV DENO_DIR=/deno-dir \
    DENO_NO_UPDATE_CHECK=1 \
    MYDHT_HOST=0.0.0.0 \
    MYDHT_DATA=/data \
    MYDHT_SECRET_FILE=/run/secrets/ring
WORKDIR /data
VOLUME /data
EXPOSE 50140
USER 65532:65532
# It finishes what is in flight and stops, without leaving the ring.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s --retries=3 \
  CMD ["/usr/bin/deno", "run", "--quiet", "--no-prompt", "--cached-only", "--frozen", "--allow-net=127.0.0.1", "--allow-env=MYDHT_PORT", "/app/lib/cli/healthcheck.ts"]
ENTRYPOINT ["/usr/bin/deno", "run", "--quiet", "--no-prompt", "--cached-only", "--frozen", "--allow-net", "--allow-read=/data,/run/secrets", "--allow-write=/data", "--allow-sys=statfs", "--allow-env=MYDHT_HOST,MYDHT_PORT,MYDHT_ADVERTISE,MYDHT_JOIN,MYDHT_REPLICAS,MYDHT_DATA,MYDHT_SECRET_FILE,MYDHT_LOG_FORMAT,MYDHT_WEIGHT,MYDHT_ZONE,MYDHT_TRANSFER_RATE,MYDHT_REPAIR_RATE,MYDHT_SCRUB_RATE,MYDHT_PARTITIONS,MYDHT_SECRET,DENO_KV_ACCESS_TOKEN,DENO_DEPLOYMENT_ID,NO_COLOR,MYDHT_SERVER", "/app/cli.ts"]
CMD ["node"]
