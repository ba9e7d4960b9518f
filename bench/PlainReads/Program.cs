using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Npgsql;
using PlainReads;
using UserSvc.ServiceDefaults;

// The peer: GET /user/{name} as it is usually written, with a pooled connection and a prepared command for each request. Everything else, from
// telemetry to the server's settings and the answer, is the same as in UserSvc.Api.
var builder = WebApplication.CreateSlimBuilder(args);
builder.Services.Configure<KestrelServerOptions>(builder.Configuration.GetSection("Kestrel"));
builder.AddServiceDefaults("plainreads");
builder.Services.AddSingleton(new NpgsqlDataSourceBuilder(builder.Configuration.GetConnectionString("users") + ";Max Auto Prepare=20").Build());
builder.Services.AddOpenTelemetry()
    .WithTracing(tracing => tracing.AddSource("Npgsql"))
    .WithMetrics(metrics => metrics.AddMeter("Npgsql"));
builder.Services.ConfigureHttpJsonOptions(json => json.SerializerOptions.TypeInfoResolverChain.Insert(0, PlainJson.Default));

var app = builder.Build();
app.UseServiceDefaults();
app.UseProblemJson();
app.MapHealthEndpoints();
app.MapGet("/user/{name}", PlainEndpoints.GetUser);
app.Run();

namespace PlainReads
{
    internal static class PlainEndpoints
    {
        public static async Task<Results<Ok<UserAnswer>, StatusCodeHttpResult, ProblemHttpResult>> GetUser(
            string name, HttpContext context, NpgsqlDataSource dataSource, Instance instance, CancellationToken cancellationToken)
        {
            if (name.Length > 64 || !name.IsNormalized() || !name.All(c => char.IsLetterOrDigit(c) || c is '.' or '_' or '@' or '+' or '-'))
            {
                return TypedResults.Problem("That is no user's name.", statusCode: StatusCodes.Status400BadRequest);
            }

            await using var command = dataSource.CreateCommand("SELECT uuid, fullname, version FROM users WHERE username = $1");
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            if (!await reader.ReadAsync(cancellationToken))
            {
                return TypedResults.Problem("There is no such user.", statusCode: StatusCodes.Status404NotFound);
            }

            var uuid = reader.GetGuid(0).ToString("N").ToUpperInvariant();
            var etag = $"W/\"{uuid}-{reader.GetInt64(2)}\"";
            context.Response.Headers.ETag = etag;
            return context.Request.Headers.IfNoneMatch == etag
                ? TypedResults.StatusCode(StatusCodes.Status304NotModified)
                : TypedResults.Ok(new UserAnswer(true, uuid, reader.GetString(1), instance.Name, instance.Address));
        }
    }

    internal sealed record UserAnswer(bool Ok, string Uuid, string Fullname, string Hostname, string Resolvedname);

    [JsonSerializable(typeof(UserAnswer))]
    internal sealed partial class PlainJson : JsonSerializerContext;
}
