# The gateway in an image without a shell, as a user without rights:
#   docker build -t conax-gateway .
#   docker run -p 8080:8080 -v conax-gateway:/var/lib/conax-gateway -v ./admin-password:/run/admin-password:ro \
#     -e CONAX_GATEWAY_BOOTSTRAP_USER=admin -e CONAX_GATEWAY_BOOTSTRAP_PASSWORD_FILE=/run/admin-password conax-gateway
# Without these two variables the first password is a file in the volume, which nothing in the image can show.
FROM rust:1.89-bookworm AS build
WORKDIR /source
COPY . .
ARG BUILD_COMMIT
RUN cargo build --locked --release && mkdir /empty

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /source/target/release/conax-gateway /usr/bin/conax-gateway
COPY --from=build --chown=nonroot:nonroot /empty /var/lib/conax-gateway
ENV CONAX_GATEWAY_SERVER_LISTEN=0.0.0.0:8080 CONAX_GATEWAY_STORE_DATA_DIR=/var/lib/conax-gateway
VOLUME /var/lib/conax-gateway
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s CMD ["/usr/bin/conax-gateway", "health"]
ENTRYPOINT ["/usr/bin/conax-gateway"]
