# A DDM node: docker build -t ddm . && docker run ddm --help. Operating it: docs/guides/operations.md
FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY bootstrap bootstrap
COPY src src
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:24-slim
WORKDIR /opt/ddm
COPY package.json LICENSE NOTICE ./
COPY bin bin
COPY docs docs
COPY examples/data examples/data
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
# The folders belong to the user, and so do volumes that are made of them.
RUN ln -s /opt/ddm/bin/ddm.js /usr/local/bin/ddm \
 && install -d -o node -g node -m 0700 /var/lib/ddm \
 && install -d -o node -g node -m 0755 /network
USER node
# Reached from outside the container only where its port is published; the token is asked for all the same.
ENV NODE_ENV=production DDM_HOME=/var/lib/ddm DDM_API=0.0.0.0:8420
VOLUME /var/lib/ddm
WORKDIR /var/lib/ddm
EXPOSE 8420
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8420/health').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["ddm"]
CMD ["start"]
