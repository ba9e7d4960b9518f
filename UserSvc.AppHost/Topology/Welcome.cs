namespace UserSvc.AppHost.Topology;

internal static class Welcome
{
    /// <summary>Where everything is, and one request of each kind to paste.</summary>
    public static string Text(TopologyOptions options, LocalState state, string postgres, string? dashboard)
    {
        var url = $"http://localhost:{options.Port}";
        var adminKeyFile = state.AdminKeyFile;
        var https = state.Certificate is not { } certificate ? "" : $"""

              over TLS    https://localhost:{options.TlsPort}
                          curl -i --cacert {certificate.Path} https://localhost:{options.TlsPort}/user/health
            """;
        return $$"""

            UserSvc is ready: {{options.Replicas}} instances of the user service {{(options.Sidecars ? "with a sidecar each, " : "")}}behind the edge.

              edge        {{url}}{{https}}
              readiness   http://127.0.0.1:{{options.HealthPort}}/ready
              admin       http://127.0.0.1:{{options.AdminPort}}/
              dashboard   {{dashboard ?? "(switched off)"}}
              admin key   {{adminKeyFile}}
              database    {{postgres}}

              # create, read, verify, replace, list, delete, health
              curl -i -X PUT {{url}}/user/alice -H 'Content-Type: application/json' -d '{"fullname":"Alice","password":"correct horse"}'
              curl -i {{url}}/user/alice
              curl -i {{url}}/user/alice/verify -H 'Content-Type: application/json' -d '{"password":"correct horse"}'
              curl -i -X PUT {{url}}/user/alice -u 'alice:correct horse' -H 'Content-Type: application/json' -d '{"fullname":"Alice A.","password":"correct horse"}'
              curl -i {{url}}/user -H "Authorization: Bearer $(cat '{{adminKeyFile}}')"
              curl -i -X DELETE {{url}}/user/alice -u 'alice:correct horse'
              curl -i {{url}}/user/health

            Ctrl-C stops everything.

            """;
    }
}
