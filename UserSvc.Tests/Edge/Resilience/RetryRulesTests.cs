using Microsoft.AspNetCore.Http;
using UserSvc.Edge.Resilience;
using Yarp.ReverseProxy.Forwarder;

namespace UserSvc.Tests.Edge.Resilience;

public sealed class RetryRulesTests
{
    [Theory]
    [InlineData("GET", null, "Safe")]
    [InlineData("HEAD", null, "Safe")]
    [InlineData("GET", "If-Match", "Safe")]
    [InlineData("PUT", null, "Idempotent")]
    [InlineData("PUT", "If-Range", "Idempotent")]
    [InlineData("PUT", "Authorization", "Once")]
    [InlineData("PUT", "If-Match", "Once")]
    [InlineData("PUT", "If-None-Match", "Once")]
    [InlineData("PUT", "If-Modified-Since", "Once")]
    [InlineData("PUT", "If-Unmodified-Since", "Once")]
    [InlineData("POST", null, "Once")]
    [InlineData("DELETE", null, "Once")]
    [InlineData("OPTIONS", null, "Once")]
    public void Request_WithThisMethodAndHeader_MayBeRepeated(string method, string? header, string expected)
    {
        var request = new DefaultHttpContext().Request;
        request.Method = method;
        if (header is not null)
        {
            request.Headers[header] = "x";
        }

        Assert.Equal(expected, RetryRules.Of(request).ToString());
    }

    [Theory]
    [InlineData("ConnectFailure", "Once Idempotent Safe")]
    [InlineData("Reset", "Idempotent Safe")]
    [InlineData("TryTimeout", "Safe")]
    [InlineData("GatewayError", "Idempotent Safe")]
    public void Failure_WithThisReason_IsRetriedForTheseRequests(string reason, string expected)
    {
        var allowed = Enum.GetValues<Repeatability>().Where(r => RetryRules.Allow(r, Enum.Parse<RetryReason>(reason)));

        Assert.Equal(expected, string.Join(' ', allowed));
    }

    [Theory]
    [InlineData(ForwarderError.Request, HttpRequestError.ConnectionError, "ConnectFailure")]
    [InlineData(ForwarderError.Request, HttpRequestError.NameResolutionError, "ConnectFailure")]
    [InlineData(ForwarderError.Request, HttpRequestError.SecureConnectionError, "ConnectFailure")]
    [InlineData(ForwarderError.Request, HttpRequestError.ProxyTunnelError, "ConnectFailure")]
    [InlineData(ForwarderError.Request, HttpRequestError.ResponseEnded, "Reset")]
    [InlineData(ForwarderError.RequestBodyDestination, HttpRequestError.ConnectionError, "Reset")]
    [InlineData(ForwarderError.RequestCanceled, HttpRequestError.Unknown, null)]
    [InlineData(ForwarderError.RequestBodyClient, HttpRequestError.Unknown, null)]
    [InlineData(ForwarderError.ResponseBodyDestination, HttpRequestError.ResponseEnded, null)]
    public void Failure_OfTheForwarder_HasThisReason(ForwarderError error, HttpRequestError cause, string? expected)
    {
        var failure = new Failure(error, new HttpRequestException(cause));

        Assert.Equal(expected, RetryRules.ReasonOf(failure)?.ToString());
    }

    [Fact]
    public void Timeout_OfTheConnectionOrOfTheAnswer_IsToldApart()
    {
        var connection = new Failure(ForwarderError.RequestTimedOut, new OperationCanceledException("", new TimeoutException()));
        var answer = new Failure(ForwarderError.RequestTimedOut, new OperationCanceledException());

        Assert.Equal((RetryReason.ConnectFailure, RetryReason.TryTimeout), (RetryRules.ReasonOf(connection), RetryRules.ReasonOf(answer)));
    }

    private sealed record Failure(ForwarderError Error, Exception? Exception) : IForwarderErrorFeature;
}
